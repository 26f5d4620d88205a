package builtins

import (
	"errors"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareEntry(entryKind{Name: "mptcp_endpoint", Args: &mptcpEndpointArgs{},
	Doc: "Gives a namespace an address that its MPTCP connections use besides the one that they began with " +
		"(ip-mptcp(8), RFC 8684).",
	Value:  "An address for further subflows of MPTCP connections (ip-mptcp(8)).",
	NSList: "mptcp_endpoints", ListDoc: "addresses for further subflows of MPTCP connections", Key: []string{"id"},
	Needs: []string{"mptcp"}, Shell: mptcpCommand})

// mptcpCommand is what ip-mptcp(8) is told: it deletes by the number alone.
func mptcpCommand(verb string, e kernel.Entry) string {
	words := e.Words()
	if id := kernel.InfoAttr(e.Attr(1), 2); verb == "del" && len(id) == 1 {
		words = "id " + itoa(int(id[0]))
	}
	return in(e.NS) + "mptcp endpoint " + verb + " " + words
}

type mptcpEndpointArgs struct {
	NS     nsArg       `arg:"ns" doc:"the namespace"`
	Family mptcpFamily `info:"family" nla:"1/1" ip:"-" doc:"4 or 6"`
	IP     addrAttr    `arg:"ip" nla:"1/3|4" ip:"-" doc:"the address"`
	_      struct{}    `arg:"*"`
	// The kernel listens at a port, with a socket that would keep the namespace alive.
	Port     *whole[width16] `info:"port" nla:"1/5" doc:"port that the other end is told of"`
	Dev      *devIndex       `arg:"dev?" nla:"1/7" doc:"link to send over"`
	ID       *whole[width8]  `arg:"id?" nla:"1/2" doc:"its number, 1 to 255; a free one when left out"`
	Subflow  isSet[width32]  `arg:"subflow?" nla:"1/6&2" doc:"open a subflow from it when a connection is made"`
	Signal   isSet[width32]  `arg:"signal?" nla:"1/6&1" doc:"tell the other end of it (ADD_ADDR)"`
	Backup   isSet[width32]  `arg:"backup?" nla:"1/6&4" doc:"its subflows carry data only when no other does"`
	Fullmesh isSet[width32]  `arg:"fullmesh?" nla:"1/6&8" doc:"open a subflow from it to each address of the other end, with subflow="`
}

// mptcpFamily is the family of an address, as a number of 16 bits.
type mptcpFamily struct{ whole[width16] }

func (a mptcpFamily) ip(string) string { return "" }
func (a mptcpFamily) value() starlark.Value {
	return starlark.MakeInt(map[bool]int{true: 6, false: 4}[a.whole == unix.AF_INET6])
}

func (a *mptcpEndpointArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	switch {
	case a.IP.Zone() != "":
		return nil, errors.New("mptcp_endpoint: the address has a link in it: name that with dev=")
	case !bool(a.Subflow) && !bool(a.Signal):
		return nil, errors.New("mptcp_endpoint: want subflow= or signal=")
	case bool(a.Fullmesh) && bool(a.Signal):
		return nil, errors.New("mptcp_endpoint: fullmesh= is of subflow= without signal=")
	case a.ID != nil && *a.ID == 0:
		return nil, errors.New("mptcp_endpoint: id 0 is that of the address which a connection began with")
	}
	if a.ID == nil {
		n, err := tx.Machine().Namespace(a.NS.NSRef)
		if err != nil {
			return nil, err
		}
		all, err := n.Entries("mptcp_endpoint", nil)
		if err != nil {
			return nil, err
		}
		id := whole[width8](1)
		for _, e := range all {
			if have := kernel.InfoAttr(e.Attr(1), 2); len(have) == 1 {
				id = max(id, whole[width8](have[0])+1)
			}
		}
		a.ID = &id
	}
	a.Family.whole = whole[width16](netlinkFamily(a.IP.Addr))
	return addNew(tx, kernel.Entry{NS: a.NS.NSRef}, a, func(msg []byte) []byte { return msg })
}
