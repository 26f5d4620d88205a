package builtins

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
)

// Classes by curves (tc-hfsc(7)), and by turns (tc-drr(8), tc-qfq).
var (
	hfscQdisc = declareTC(tcKind{Name: "hfsc", Args: &hfscArgs{}, Head: 2,
		Doc: "shares a link among classes by curves of service"})
	hfscClass = declareTC(tcKind{Name: "hfsc", Args: &hfscClassArgs{}, Doc: "curves of service", Fill: fillHFSC,
		Eg: "rt=1mbit"})
	drrQdisc = declareTC(tcKind{Name: "drr", Args: &struct{}{}, Bare: true,
		Doc: "sends what is in its classes in turn"})
	drrClass = declareTC(tcKind{Name: "drr", Args: &drrClassArgs{}, Doc: "its share in bytes"})
	qfqQdisc = declareTC(tcKind{Name: "qfq", Args: &struct{}{}, Bare: true,
		Doc: "sends what is in its classes by their weights"})
	qfqClass = declareTC(tcKind{Name: "qfq", Args: &qfqClassArgs{}, Doc: "its weight"})
)

type hfscArgs struct {
	Default *minor16 `arg:"default?" nla:"+0" doc:"class of packets that no filter has one for: \"20\" or \"1:20\" (hexadecimal); they are dropped when left out"`
}

type hfscClassArgs struct {
	RT *serviceCurve `arg:"rt?" nla:"1" doc:"what it has whatever the others want: a rate, or (rate at first, for how long, rate then)"`
	LS *serviceCurve `arg:"ls?" nla:"2" doc:"its share of what is left: a rate, or (rate at first, for how long, rate then)"`
	UL *serviceCurve `arg:"ul?" nla:"3" doc:"the most that it has of ls=: a rate, or (rate at first, for how long, rate then)"`
}

func fillHFSC(o *tcOptions, _ map[string]kindAttr) error {
	if o.attrs[attrPlace(1)] == nil && o.attrs[attrPlace(2)] == nil {
		return errors.New("hfsc: a class wants rt= or ls=")
	}
	return nil
}

type drrClassArgs struct {
	Quantum *whole[width32] `arg:"quantum?" nla:"1" doc:"bytes that it may send before the next one may; the mtu when left out"`
}

type qfqClassArgs struct {
	Weight *whole[width32] `arg:"weight?" nla:"1" doc:"its weight, 1 (when left out) to 1023"`
	MaxPkt *whole[width32] `arg:"maxpkt?" nla:"2" doc:"length of its longest packet, 512 to 65536; 2048 when left out"`
}

// minor16 is minorArg as 16 bits.
type minor16 struct{ minorArg }

func (a minor16) encode() []byte      { return encodeNumber[width16](int(a.minorArg)) }
func (a *minor16) decode(data []byte) { a.minorArg = minorArg(decodeNumber[width16](data)) }

// serviceCurve is a struct tc_service_curve: a rate, the time that it lasts, and the rate from then on.
type serviceCurve struct {
	first rateIn[width32]
	time  tcMicros
	then  rateIn[width32]
}

func (serviceCurve) ArgType() string { return "rate or (rate, duration, rate)" }

func (a serviceCurve) encode() []byte {
	return append(append(a.first.encode(), a.time.encode()...), a.then.encode()...)
}

func (a *serviceCurve) decode(data []byte) {
	if len(data) >= 12 {
		a.first.decode(data[:4])
		a.time.decode(data[4:8])
		a.then.decode(data[8:12])
	}
}

func (a serviceCurve) ip(word string) string {
	if a.first == 0 && a.time.lasting == 0 {
		return word + " m2 " + a.then.String()
	}
	return fmt.Sprintf("%s m1 %s d %s m2 %s", word, a.first, a.time, a.then)
}

func (a serviceCurve) value() starlark.Value {
	if a.first == 0 && a.time.lasting == 0 {
		return a.then.value()
	}
	return starlark.Tuple{a.first.value(), a.time.value(), a.then.value()}
}

func (a *serviceCurve) Unpack(val starlark.Value) error {
	t, ok := val.(starlark.Indexable)
	if _, text := val.(starlark.String); !ok || text {
		return a.then.Unpack(val)
	}
	if t.Len() != 3 {
		return want("rate or (rate, duration, rate)", val)
	}
	return errors.Join(a.first.Unpack(t.Index(0)), a.time.Unpack(t.Index(1)), a.then.Unpack(t.Index(2)))
}
