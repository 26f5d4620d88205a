package builtins

import (
	"errors"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var readyDecl = runtime.Query("ready", "None",
	"Waits until namespaces are ready for traffic: links that are up have carriers, ports of bridges forward or are "+
		"blocked by spanning tree, no IPv6 address is tentative (RFC 4862), and no route's way is down. "+
		"When the time is over it fails and says what is not so.", &readyArgs{Timeout: waitArg(10 * time.Second)})

type readyArgs struct {
	NSS     []nsArg `arg:"*nss" doc:"the namespaces; all that the lab has when none is given"`
	Timeout waitArg `arg:"timeout?" doc:"how long to wait"`
}

func (a *readyArgs) Query(v *runtime.View) (starlark.Value, error) {
	refs := v.Namespaces()
	if len(a.NSS) > 0 {
		refs = nil
		for _, ns := range a.NSS {
			refs = append(refs, ns.NSRef)
		}
	}
	if err := v.Machine().Settle(); err != nil {
		return nil, err
	}
	heard, err := v.Machine().Listen(refs, false)
	if err != nil {
		return nil, err
	}
	defer heard.Close()
	for deadline := time.Now().Add(time.Duration(a.Timeout)); len(refs) > 0; {
		n, err := v.Machine().Namespace(refs[0])
		if err != nil {
			return nil, err
		}
		not, err := n.Unready()
		switch {
		case err != nil:
			return nil, err
		case not == nil:
			refs = refs[1:]
		case time.Now().After(deadline):
			return nil, &kernel.Error{Op: "wait for namespace", Object: n.Name(),
				Err: errors.New(strings.Join(not, "; ")), Hint: "it was not ready within " + a.Timeout.String()}
		default:
			// Some of it comes without an event, such as a port's state.
			if err := pause(v, heard, 20*time.Millisecond); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}
