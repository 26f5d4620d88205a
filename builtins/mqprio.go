package builtins

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
)

// Classes that are the queues of the link (tc-mqprio(8)).
var (
	mqprioQdisc = declareTC(tcKind{Name: "mqprio", Args: &mqprioArgs{}, Head: 84, Eg: "num_tc=1, queues=1@0",
		Doc: "maps priorities of packets to classes, and these to queues of the link, which must have several"})
	multiqQdisc = declareTC(tcKind{Name: "multiq", Args: &struct{}{}, Head: 4,
		Doc: "has a class for each queue of the link, which must have several"})
)

// mqprioArgs are a struct tc_mqprio_qopt.
type mqprioArgs struct {
	NumTC  whole[width8]  `arg:"num_tc" nla:"+0" doc:"how many classes it has, 1 to 16"`
	Map    *prioMap       `arg:"map?" nla:"+1" zero:"yes" doc:"the class, from 0 on, of each of the 16 priorities of packets, a list; the first one when left out"`
	Queues mqprioQueues   `arg:"queues" nla:"+18" doc:"queues of each class, as how many there are from which one on, a list: [\"1@0\", \"2@1\"]"`
	HW     *onOff[width8] `arg:"hw?" nla:"+17" zero:"yes" doc:"whether the hardware does it; not so when left out"`
}

// mqprioQueues are how many queues a class has, and from which one on.
type mqprioQueues [][2]uint16

const mqprioClasses = 16 // TC_QOPT_MAX_QUEUE

func (mqprioQueues) ArgType() string { return "list of string" }

func (a mqprioQueues) encode() []byte {
	data := make([]byte, 4*mqprioClasses)
	for i, q := range a {
		binary.NativeEndian.PutUint16(data[2*i:], q[0])
		binary.NativeEndian.PutUint16(data[2*(mqprioClasses+i):], q[1])
	}
	return data
}

func (a *mqprioQueues) decode(data []byte) {
	*a = nil
	for i := range mqprioClasses {
		if n := binary.NativeEndian.Uint16(data[2*i:]); n != 0 {
			*a = append(*a, [2]uint16{n, binary.NativeEndian.Uint16(data[2*(mqprioClasses+i):])})
		}
	}
}

func (a mqprioQueues) all() (all []string) {
	for _, q := range a {
		all = append(all, fmt.Sprintf("%d@%d", q[0], q[1]))
	}
	return all
}

func (a mqprioQueues) ip(word string) string { return word + " " + strings.Join(a.all(), " ") }
func (a mqprioQueues) value() starlark.Value { return stringList(a.all()) }

func (a *mqprioQueues) Unpack(val starlark.Value) error {
	all, err := stringsOf(val)
	if err != nil {
		return err
	}
	if len(all) == 0 || len(all) > mqprioClasses {
		return fmt.Errorf("queues of %d classes, want those of 1 to %d", len(all), mqprioClasses)
	}
	for _, s := range all {
		count, offset, ok := strings.Cut(s, "@")
		n, err := strconv.ParseUint(count, 10, 16)
		at, e := strconv.ParseUint(offset, 10, 16)
		if !ok || err != nil || e != nil || n == 0 {
			return fmt.Errorf(`%q says no queues such as "2@1": two from the second on`, s)
		}
		*a = append(*a, [2]uint16{uint16(n), uint16(at)})
	}
	return nil
}
