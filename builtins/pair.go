package builtins

import (
	"reflect"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// pairArgs are the parameters of every builtin that makes a pair of links.
type pairArgs struct {
	A       nsArg         `arg:"a" doc:"namespace of the first end"`
	B       *nsArg        `arg:"b?" doc:"namespace of the second end; that of the first when left out"`
	_       struct{}      `arg:"*"`
	Name    linkNameArg   `arg:"name?" doc:"name of the first end; the next free one of its kind, such as eth0 or nk0, when left out"`
	Peer    linkNameArg   `arg:"peer?" doc:"name of the second end"`
	Addrs   endAddrsArg   `arg:"addrs?" doc:"addresses of the first end and of the second, each one or a list: (\"10.0.0.1/24\", [\"10.0.0.2/24\", \"fd00::2/64\"])"`
	Masters endMastersArg `arg:"master?" doc:"bridge or bond that the first end becomes a port of, and that of the second: (None, br)"`
	Up      bool          `arg:"up?" doc:"whether to set both ends up"`
	MTU     mtuArg        `arg:"mtu?" doc:"MTU of both ends in bytes; 1500 when left out"`
	MAC     macArg        `arg:"mac?" doc:"link-layer address of the first end; a random one when left out"`
	MAC2    macArg        `arg:"peer_mac?" doc:"link-layer address of the second end"`
}

// make makes a pair of the kind that has these arguments.
func (a *pairArgs) make(tx *runtime.Tx, args linkMaker) (starlark.Value, error) {
	if a.B == nil {
		a.B = &a.A
	}
	k := kindWith(args)
	for i, in := range []kernel.NSRef{a.A.NSRef, a.B.NSRef} {
		if to := a.Masters[i]; to.Index > 0 {
			name := string([]linkNameArg{a.Name, a.Peer}[i])
			if err := to.check(tx.Machine(), kernel.LinkRef{NS: in, Name: name}, in); err != nil {
				return nil, err
			}
		}
	}
	var first, second kernel.LinkRef
	err := addNamed(tx.Machine(), func(taken []string) (err error) {
		if first, err = newLink(tx, a.A.NSRef, a.Name, k.Prefix, taken); err != nil {
			return err
		}
		if a.A.Cookie == a.B.Cookie { // it is not there yet but has its name
			taken = append(taken[:len(taken):len(taken)], first.Name)
		}
		if second, err = newLink(tx, a.B.NSRef, a.Peer, k.Prefix, taken); err != nil {
			return err
		}
		one := kernel.ManyQueues(k.Name)
		op := &addLink{LinkSpec: kernel.LinkSpec{LinkRef: first, MAC: string(a.MAC), MTU: int(a.MTU), Up: a.Up,
			OneQueue: one,
			Peer:     &kernel.LinkSpec{LinkRef: second, MAC: string(a.MAC2), MTU: int(a.MTU), OneQueue: one}}}
		k.tell(op, reflect.ValueOf(args).Elem())
		return k.lacking(tx.Apply(op))
	}, a.Name, a.Peer)
	if err != nil {
		return nil, err
	}
	if a.Up {
		// The kernel makes the second end first and cannot open it before it has its peer (ENOTCONN).
		if err := tx.Apply(&setLink{Link: second, Attr: "up", Value: "on"}); err != nil {
			return nil, err
		}
	}
	for i, end := range []kernel.LinkRef{first, second} {
		if to := a.Masters[i]; to.Index > 0 {
			if err := setMaster(tx, end, to.LinkRef); err != nil {
				return nil, err
			}
		}
		if err := a.Addrs[i].add(tx, end); err != nil {
			return nil, err
		}
	}
	return starlark.Tuple{&linkValue{tx.View, first}, &linkValue{tx.View, second}}, nil
}
