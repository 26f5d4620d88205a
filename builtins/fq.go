package builtins

// Queues for each flow (tc-fq(8), tc-sfq(8)).
var (
	fqQdisc = declareTC(tcKind{Name: "fq", Args: &fqArgs{},
		Doc: "sends flows in turn, none faster than its socket says (pacing)"})
	sfqQdisc = declareTC(tcKind{Name: "sfq", Args: &sfqArgs{}, Head: 72,
		Doc: "sends flows in turn, which it tells apart by a hash"})
)

type fqArgs struct {
	Limit       *whole[width32]                  `arg:"limit?" nla:"1" doc:"packets that it holds"`
	FlowLimit   *whole[width32]                  `arg:"flow_limit?" nla:"2" doc:"packets that it holds of a flow"`
	Quantum     *sizeIn[width32]                 `arg:"quantum?" nla:"3" doc:"bytes that a flow may send before the next one may"`
	InitQuantum *sizeIn[width32]                 `arg:"initial_quantum?" nla:"4" doc:"bytes that a new flow may send before the next one may"`
	Pacing      *toggleIn[width32]               `arg:"pacing?" nla:"5" zero:"yes" doc:"whether flows are as fast as their sockets say"`
	MaxRate     *rateIn[width32]                 `arg:"maxrate?" nla:"7" doc:"the most that a flow sends: \"10mbit\""`
	Refill      *tcTime[inMicroseconds, width32] `arg:"refill_delay?" nla:"9" doc:"time after which an idle flow has its quantum again: \"40ms\""`
	OrphanMask  *whole[width32]                  `arg:"orphan_mask?" nla:"10" doc:"bits of the hash that tells packets without a socket apart"`
	LowRate     *rateIn[width32]                 `arg:"low_rate_threshold?" nla:"11" doc:"rate up to which each packet of a flow is paced"`
	CEThreshold *tcTime[inMicroseconds, width32] `arg:"ce_threshold?" nla:"12" doc:"waiting time above which all packets that can be are marked (ECN)"`
	TimerSlack  *tcTime[inNanoseconds, width32]  `arg:"timer_slack?" nla:"13" doc:"how much later a packet may be sent: \"10us\""`
	Horizon     *tcTime[inMicroseconds, width32] `arg:"horizon?" nla:"14" doc:"how far in the future a packet may be sent: \"10s\""`
}

type sfqArgs struct {
	Limit    *whole[width32]              `arg:"limit?" nla:"+8" doc:"packets that it holds; 127 when left out"`
	Perturb  *lasting[inSeconds, width32] `arg:"perturb?" nla:"+4" doc:"how often the hash changes, in whole seconds: \"10s\"; never when left out"`
	Quantum  *sizeIn[width32]             `arg:"quantum?" nla:"+0" doc:"bytes that a flow may send before the next one may; the mtu when left out"`
	Divisor  *whole[width32]              `arg:"divisor?" nla:"+12" doc:"how many values the hash has, a power of 2; 1024 when left out"`
	Flows    *whole[width32]              `arg:"flows?" nla:"+16" doc:"how many flows it tells apart, at most; 127 when left out"`
	Depth    *whole[width32]              `arg:"depth?" nla:"+20" doc:"packets that it holds of a flow; 127 when left out"`
	HeadDrop *onceSet                     `arg:"headdrop?" nla:"+24" doc:"drop the oldest packet of a flow instead of the newest"`
}
