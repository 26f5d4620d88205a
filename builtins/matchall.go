package builtins

// Filters for every packet (tc-matchall(8)), and for those with a mark (tc-fw(8)).
var (
	matchallFilter = declareTC(tcKind{Name: "matchall", Args: &matchallArgs{}, Doc: "is of every packet",
		Module: "cls_matchall", Config: "NET_CLS_MATCHALL"})
	fwFilter = declareTC(tcKind{Name: "fw", Args: &fwArgs{}, Doc: "is of packets with a mark", Eg: "mark=1",
		Module: "cls_fw",
		Config: "NET_CLS_FW"})
)

type matchallArgs struct {
	FlowID *tcHandle  `arg:"flowid?" nla:"1" doc:"class that the packet is of"`
	Action *tcActions `arg:"action?" nla:"2" doc:"what becomes of it, one after the other"`
}

type fwArgs struct {
	Mark   whole[widthSome] `arg:"mark" nla:"~1" unshown:"yes" doc:"the mark, a number"`
	FlowID *tcHandle        `arg:"flowid?" nla:"1" doc:"class that the packet is of"`
	Action *tcActions       `arg:"action?" nla:"4" doc:"what becomes of it, one after the other"`
}
