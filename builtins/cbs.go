package builtins

// Packets that leave at a time of their own (tc-cbs(8), tc-etf(8)), or by their priority (tc-skbprio(8)).
var (
	cbsQdisc = declareTC(tcKind{Name: "cbs", Args: &cbsArgs{}, Sizes: map[int]int{1: 20}, Eg: "idleslope=1000",
		Doc: "lets a rate through that its credit allows (IEEE 802.1Qav)"})
	etfQdisc = declareTC(tcKind{Name: "etf", Args: &etfArgs{}, Sizes: map[int]int{1: 12}, Eg: "clockid=CLOCK_TAI",
		Doc: "sends each packet at the time that its socket has said"})
	skbprioQdisc = declareTC(tcKind{Name: "skbprio", Args: &pfifoArgs{}, Head: 4, Lazy: true,
		Doc: "sends packets by their priority, and drops those of the least one when it is full"})
)

// cbsArgs are a struct tc_cbs_qopt.
type cbsArgs struct {
	High    *signed        `arg:"hicredit?" nla:"1+4" zero:"yes" doc:"most credit in bytes"`
	Low     *signed        `arg:"locredit?" nla:"1+8" zero:"yes" doc:"least credit in bytes, which is below 0"`
	Idle    *signed        `arg:"idleslope?" nla:"1+12" zero:"yes" doc:"kbit a second that the credit grows by while a packet waits"`
	Send    *signed        `arg:"sendslope?" nla:"1+16" zero:"yes" doc:"kbit a second that it grows by while one is sent, which is below 0"`
	Offload *onOff[width8] `arg:"offload?" nla:"1+0" zero:"yes" doc:"whether the hardware does it"`
}

// etfArgs are a struct tc_etf_qopt.
type etfArgs struct {
	Clock    oneOf[etfClocks, width32]        `arg:"clockid" nla:"1+4" doc:"clock of the times: CLOCK_TAI"`
	Delta    *lasting[inNanoseconds, width32] `arg:"delta?" nla:"1+0" zero:"yes" doc:"how much earlier a packet is taken: \"300us\""`
	Deadline *flagBit[bit0, width32]          `arg:"deadline_mode?" nla:"1+8" doc:"whether the time is the latest one instead"`
	Offload  *flagBit[bit1, width32]          `arg:"offload?" nla:"1+8" doc:"whether the hardware does it"`
	NoSocket *flagBit[bit2, width32]          `arg:"skip_sock_check?" nla:"1+8" doc:"whether packets can have a time whose socket has said none"`
}

type etfClocks struct{}

func (etfClocks) words() map[string]int {
	return map[string]int{"CLOCK_REALTIME": 0, "CLOCK_MONOTONIC": 1, "CLOCK_BOOTTIME": 7, "CLOCK_TAI": 11}
}
