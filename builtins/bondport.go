package builtins

import "go.starlark.net/starlark"

// bondPortArgs is what a port of a bond can be set to (ip-link(8)'s bond_slave).
type bondPortArgs struct {
	QueueID *whole[width16] `arg:"queue_id?" nla:"5" set:"yes" doc:"queue of the bond whose packets leave by it (tc-skbedit(8)), 0 for none; 0 when left out"`
	Prio    *bondPrio       `arg:"prio?" nla:"9" set:"yes" doc:"its priority to become the active one, the highest does, in the modes active-backup, balance-tlb and balance-alb; 0 when left out"`

	State     *oneOf[bondStates, width8] `info:"state" nla:"1" doc:"whether it sends: active or backup"`
	MIIStatus *oneOf[bondLinks, width8]  `info:"mii_status" nla:"2" doc:"what the bond knows of its carrier: up, going_down, down, going_back"`
	Failures  *whole[width32]            `info:"link_failure_count" nla:"3" doc:"how often it has failed"`
	PermMAC   *macAttr                   `info:"perm_hwaddr" nla:"4" doc:"mac that it has when it leaves the bond"`
	AggID     *whole[width16]            `info:"ad_aggregator_id" nla:"6" doc:"group that it is in, in the mode 802.3ad"`
}

type (
	bondStates struct{}
	bondLinks  struct{}
)

func (bondStates) words() map[string]int { return inOrder("active", "backup") }
func (bondLinks) words() map[string]int  { return inOrder("up", "going_down", "down", "going_back") }

// bondPrio is a number of 32 bits with a sign.
type bondPrio int32

func (bondPrio) ArgType() string         { return "int" }
func (a bondPrio) encode() []byte        { return encodeNumber[width32](int(uint32(a))) }
func (a *bondPrio) decode(data []byte)   { *a = bondPrio(decodeNumber[width32](data)) }
func (a bondPrio) ip(word string) string { return word + " " + itoa(int(a)) }
func (a bondPrio) value() starlark.Value { return starlark.MakeInt(int(a)) }
func (a *bondPrio) Unpack(val starlark.Value) error {
	n, err := number[int](val, -1<<31, 1<<31-1)
	*a = bondPrio(n)
	return err
}
