package builtins

// Queues that are kept short by how long packets have waited (tc-codel(8), tc-fq_codel(8), tc-pie(8), tc-fq_pie(8)).
var (
	codelQdisc = declareTC(tcKind{Name: "codel", Args: &codelArgs{},
		Doc: "drops packets while none has waited less than a time"})
	fqCodelQdisc = declareTC(tcKind{Name: "fq_codel", Args: &fqCodelArgs{},
		Doc: "does so, with a queue for each flow"})
	pieQdisc = declareTC(tcKind{Name: "pie", Args: &pieArgs{},
		Doc: "drops packets the likelier, the longer they would wait"})
	fqPieQdisc = declareTC(tcKind{Name: "fq_pie", Args: &fqPieArgs{},
		Doc: "does so, with a queue for each flow"})
)

// A tcMicros is a time of a queue.
type tcMicros = tcTime[inMicroseconds, width32]

type codelArgs struct {
	Limit       *whole[width32]    `arg:"limit?" nla:"2" doc:"packets that it holds"`
	Target      *tcMicros          `arg:"target?" nla:"1" doc:"time that a packet may wait: \"5ms\""`
	Interval    *tcMicros          `arg:"interval?" nla:"3" doc:"how long none may wait less: \"100ms\", the longest time there and back"`
	ECN         *toggleIn[width32] `arg:"ecn?" nla:"4" zero:"yes" doc:"mark packets that can be (ECN) instead of dropping them"`
	CEThreshold *tcMicros          `arg:"ce_threshold?" nla:"5" doc:"time above which all that can be are marked"`
}

type fqCodelArgs struct {
	Limit       *whole[width32]    `arg:"limit?" nla:"2" doc:"packets that it holds"`
	Flows       *whole[width32]    `arg:"flows?" nla:"5" doc:"how many queues it has, 1 to 65536"`
	Quantum     *sizeIn[width32]   `arg:"quantum?" nla:"6" ip:"quantum" doc:"bytes that a flow may send before the next one may"`
	Target      *tcMicros          `arg:"target?" nla:"1" doc:"time that a packet may wait: \"5ms\""`
	Interval    *tcMicros          `arg:"interval?" nla:"3" doc:"how long none may wait less: \"100ms\""`
	ECN         *toggleIn[width32] `arg:"ecn?" nla:"4" zero:"yes" doc:"mark packets that can be (ECN) instead of dropping them"`
	CEThreshold *tcMicros          `arg:"ce_threshold?" nla:"7" doc:"time above which all that can be are marked"`
	Memory      *sizeIn[width32]   `arg:"memory_limit?" nla:"9" doc:"memory for packets: \"32mb\""`
	DropBatch   *whole[width32]    `arg:"drop_batch?" nla:"8" doc:"packets that are dropped at once when it is full"`
}

type pieArgs struct {
	Limit    *whole[width32]    `arg:"limit?" nla:"2" doc:"packets that it holds"`
	Target   *tcMicros          `arg:"target?" nla:"1" doc:"time that packets are to wait: \"15ms\""`
	TUpdate  *tcMicros          `arg:"tupdate?" nla:"3" doc:"how often it reckons how likely a packet is dropped: \"15ms\""`
	Alpha    *whole[width32]    `arg:"alpha?" nla:"4" doc:"weight of how far they wait from that, 0 to 32"`
	Beta     *whole[width32]    `arg:"beta?" nla:"5" doc:"weight of how that grows, 0 to 32"`
	ECN      *toggleIn[width32] `arg:"ecn?" nla:"6" zero:"yes" doc:"mark packets that can be (ECN) instead of dropping them"`
	ByteMode *toggleIn[width32] `arg:"bytemode?" nla:"7" zero:"yes" doc:"whether larger packets are dropped likelier"`
}

type fqPieArgs struct {
	Limit    *whole[width32]    `arg:"limit?" nla:"1" doc:"packets that it holds"`
	Flows    *whole[width32]    `arg:"flows?" nla:"2" doc:"how many queues it has, 1 to 65536"`
	Target   *tcMicros          `arg:"target?" nla:"3" doc:"time that packets are to wait: \"15ms\""`
	TUpdate  *tcMicros          `arg:"tupdate?" nla:"4" doc:"how often it reckons how likely a packet is dropped: \"15ms\""`
	Alpha    *whole[width32]    `arg:"alpha?" nla:"5" doc:"weight of how far they wait from that, 0 to 32"`
	Beta     *whole[width32]    `arg:"beta?" nla:"6" doc:"weight of how that grows, 0 to 32"`
	Quantum  *sizeIn[width32]   `arg:"quantum?" nla:"7" doc:"bytes that a flow may send before the next one may"`
	Memory   *sizeIn[width32]   `arg:"memory_limit?" nla:"8" doc:"memory for packets: \"32mb\""`
	ECNProb  *whole[width32]    `arg:"ecn_prob?" nla:"9" doc:"per cent of likelihood above which packets are dropped, not marked"`
	ECN      *toggleIn[width32] `arg:"ecn?" nla:"10" zero:"yes" doc:"mark packets that can be (ECN) instead of dropping them"`
	ByteMode *toggleIn[width32] `arg:"bytemode?" nla:"11" zero:"yes" doc:"whether larger packets are dropped likelier"`
}
