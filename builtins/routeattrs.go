package builtins

import (
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// routeAttrs are attributes of a route's message, which it is given and has. `nla:"8/2"` is attribute 2 in attribute
// 8, RTA_METRICS.
type routeAttrs struct {
	Expires     *lasting[inSeconds, width32]   `arg:"expires?" nla:"23" doc:"time after which the kernel deletes it, in seconds, such as \"5m\" (IPv6)"`
	Pref        *oneOf[routePrefs, width8]     `arg:"pref?" nla:"20" doc:"preference of a router (RFC 4191): low, medium or high (IPv6)"`
	AsTo        *labelsArg                     `arg:"as_to?" nla:"19" doc:"MPLS: the label, or list of labels, that takes the place of dst; the label is taken off when left out"`
	MTU         *whole[width32]                `arg:"mtu?" nla:"8/2" doc:"largest packet, in bytes"`
	Window      *whole[width32]                `arg:"window?" nla:"8/3" doc:"largest TCP window to advertise, in bytes"`
	RTT         *lasting[inEighths, width32]   `arg:"rtt?" nla:"8/4" doc:"round trip time that TCP begins with, such as \"30ms\""`
	RTTVar      *lasting[inQuarters, width32]  `arg:"rttvar?" nla:"8/5" doc:"variance of that, a time"`
	SSThresh    *whole[width32]                `arg:"ssthresh?" nla:"8/6" doc:"slow start threshold that TCP begins with, in packets"`
	CWnd        *whole[width32]                `arg:"cwnd?" nla:"8/7" doc:"most of TCP's congestion window, in packets; with lock=[\"cwnd\"]"`
	AdvMSS      *whole[width32]                `arg:"advmss?" nla:"8/8" doc:"largest segment that TCP asks for, in bytes"`
	Reordering  *whole[width32]                `arg:"reordering?" nla:"8/9" doc:"packets out of order that TCP takes for no loss"`
	HopLimit    *whole[width8in32]             `arg:"hoplimit?" nla:"8/10" doc:"hop limit or time to live of packets, 1 to 255"`
	InitCWnd    *whole[width32]                `arg:"initcwnd?" nla:"8/11" doc:"TCP's first congestion window, in packets"`
	Features    *oneOf[routeFeatures, width32] `arg:"features?" nla:"8/12" doc:"\"ecn\": TCP asks for explicit congestion notification"`
	RTOMin      *lasting[inMillis, width32]    `arg:"rto_min?" nla:"8/13" doc:"shortest time after which TCP sends again, such as \"200ms\""`
	InitRWnd    *whole[width32]                `arg:"initrwnd?" nla:"8/14" doc:"TCP's first receive window, in packets"`
	QuickAck    *onOff[width32]                `arg:"quickack?" nla:"8/15" doc:"whether TCP acknowledges at once"`
	CongCtl     *textAttr                      `arg:"congctl?" nla:"8/16" doc:"TCP's congestion control, such as \"reno\""`
	NoTFOCookie *onOff[width32]                `arg:"fastopen_no_cookie?" nla:"8/17" doc:"whether TCP Fast Open works without a cookie"`
	Lock        lockArg                        `arg:"lock?" nla:"8/1" doc:"metrics of these that nothing the kernel learns changes, such as [\"mtu\"]"`
}

// metrics reports whether one of the metrics is given.
func (a *routeAttrs) metrics() bool { return len(routeNested(a, 8)) > 0 }

// locked reports whether all metrics that are to be locked are given.
func (a *routeAttrs) locked() bool {
	given := map[string]bool{}
	for _, w := range routeWords {
		if w.nest == unix.RTA_METRICS {
			given[w.name] = w.field(a) != nil
		}
	}
	return !slices.ContainsFunc(a.Lock, func(word string) bool { return !given[word] })
}

// A routeWord is an attribute of a route's message.
type routeWord struct {
	name, typ, doc string
	nest, number   int // nest 0: it stands in the message itself
	index          []int
	of             reflect.Type
}

// routeWords are those of routeAttrs, in the order of their numbers.
var routeWords = func() (all []routeWord) {
	t := reflect.TypeFor[routeAttrs]()
	for _, f := range reflect.VisibleFields(t) {
		w := routeWord{name: strings.TrimSuffix(f.Tag.Get("arg"), "?"), doc: f.Tag.Get("doc"), of: f.Type}
		w.index = f.Index
		nest, number, nested := strings.Cut(f.Tag.Get("nla"), "/")
		if !nested {
			nest, number = "0", nest
		}
		w.nest, _ = strconv.Atoi(nest)
		w.number, _ = strconv.Atoi(number)
		if w.of.Kind() == reflect.Pointer {
			w.of = w.of.Elem()
		}
		w.typ = w.attr().(runtime.Typer).ArgType()
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b routeWord) int { return a.number - b.number })
	return all
}()

func (w routeWord) attr() kindAttr { return reflect.New(w.of).Interface().(kindAttr) }

// field is the attribute as it was given, nil when it was not.
func (w routeWord) field(a *routeAttrs) kindAttr {
	f := reflect.ValueOf(a).Elem().FieldByIndex(w.index)
	if f.IsNil() {
		return nil
	}
	if f.Kind() != reflect.Pointer {
		f = f.Addr()
	}
	return f.Interface().(kindAttr)
}

// routeNested are the attributes that were given and stand in another one, 0 for the message itself.
func routeNested(a *routeAttrs, nest int) (attrs []byte) {
	for _, w := range routeWords {
		if f := w.field(a); f != nil && w.nest == nest {
			attrs = kernel.AppendAttr(attrs, w.number, f.encode())
		}
	}
	return attrs
}

// routeMessage are the attributes that a route is given.
func routeMessage(a *routeWays) []byte {
	attrs := routeNested(&a.routeAttrs, 0)
	if metrics := routeNested(&a.routeAttrs, unix.RTA_METRICS); metrics != nil {
		attrs = kernel.AppendAttr(attrs, unix.RTA_METRICS, metrics)
	}
	if a.NHID != nil {
		attrs = kernel.AppendAttr(attrs, 30, encodeNumber[width32](int(*a.NHID)))
	}
	return attrs
}

// read is the attribute's value in a route.
func (w routeWord) read(r kernel.Route) starlark.Value {
	data := r.Attr(w.number)
	if w.nest != 0 {
		data = kernel.InfoAttr(r.Attr(w.nest), w.number)
	}
	if w.number == unix.RTA_EXPIRES && w.nest == 0 {
		if left := kernel.RouteExpires(r.Msg); left > 0 {
			data = encodeNumber[width32](left)
		}
	}
	if data == nil {
		return starlark.None
	}
	a := w.attr()
	a.decode(data)
	return a.value()
}

type routePrefs struct{}

func (routePrefs) words() map[string]int { return ints(kernel.RoutePreferences()) }

type routeFeatures struct{}

func (routeFeatures) words() map[string]int { return map[string]int{"ecn": unix.RTAX_FEATURE_ECN} }

// routeTypeArg is what a route does with packets.
type routeTypeArg string

func (routeTypeArg) ArgType() string  { return "string" }
func (a routeTypeArg) String() string { return string(a) }

// nowhere reports whether a route of this type sends nothing.
func (a routeTypeArg) nowhere() bool {
	return slices.Contains([]routeTypeArg{"blackhole", "unreachable", "prohibit", "throw"}, a)
}

func (routeTypeArg) Choices(*runtime.Vocabulary) []string { return byNumber(kernel.RouteTypes()) }

func (a *routeTypeArg) Unpack(val starlark.Value) error {
	s, err := choice(val, byNumber(kernel.RouteTypes()))
	*a = routeTypeArg(s)
	return err
}

// byNumber are words in the order of their numbers.
func byNumber(words map[string]byte) (all []string) {
	for word := range words {
		all = append(all, word)
	}
	slices.SortFunc(all, func(a, b string) int { return int(words[a]) - int(words[b]) })
	return all
}

// protocolArg and scopeArg are numbers that have words.
type (
	protocolArg uint8
	scopeArg    uint8
)

func (protocolArg) ArgType() string { return "string or int" }
func (scopeArg) ArgType() string    { return "string or int" }

func (a *protocolArg) Unpack(val starlark.Value) (err error) {
	*(*uint8)(a), err = wordOrNumber(val, kernel.RouteProtocols())
	return err
}

func (a *scopeArg) Unpack(val starlark.Value) (err error) {
	*(*uint8)(a), err = wordOrNumber(val, kernel.RouteScopes())
	return err
}

func wordOrNumber(val starlark.Value, words map[string]byte) (uint8, error) {
	if _, is := starlark.AsString(val); is {
		word, err := choice(val, byNumber(words))
		return words[word], err
	}
	n, err := number[int](val, 0, math.MaxUint8)
	return uint8(n), err
}

// routeDstArg is the destination of a route: a prefix, an address, "default", or a label of MPLS.
type routeDstArg struct {
	netip.Prefix
	label *uint32
}

func (routeDstArg) ArgType() string { return `prefix, address, "default" or int` }

func (a *routeDstArg) Unpack(val starlark.Value) error {
	if _, is := val.(starlark.Int); is {
		n, err := number[int](val, 16, 1<<20-1)
		if err != nil {
			return fmt.Errorf("MPLS label: %w", err)
		}
		label := uint32(n)
		a.label = &label
		return nil
	}
	var d dstArg
	err := d.Unpack(val)
	a.Prefix = d.Prefix
	return err
}

func ints(words map[string]byte) map[string]int {
	all := map[string]int{}
	for word, n := range words {
		all[word] = int(n)
	}
	return all
}
