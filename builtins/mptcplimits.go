package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareEntry(entryKind{Name: "mptcp_limits", Args: &mptcpLimitsArgs{}, Fixed: true,
	Doc: "Sets how many further subflows a namespace's MPTCP connections have, and returns the limits " +
		"(ip-mptcp(8)).",
	Value: "The limits of a namespace's MPTCP connections (ip-mptcp(8)).",
	Needs: []string{"mptcp"}, Shell: func(_ string, e kernel.Entry) string {
		return in(e.NS) + "mptcp limits set " + e.Words()
	}})

type mptcpLimitsArgs struct {
	NS       nsArg           `arg:"ns" doc:"the namespace"`
	_        struct{}        `arg:"*"`
	Subflows *whole[widthPM] `arg:"subflows?" nla:"3" ip:"subflow" doc:"most subflows of a connection beside the first, 0 to 8; as it is when left out"`
	Accepted *whole[widthPM] `arg:"add_addr_accepted?" nla:"2" doc:"most addresses that the other end told of (ADD_ADDR) and that subflows go to, 0 to 8; as it is when left out"`
}

// widthPM is that of a limit, MPTCP_PM_ADDR_MAX at most.
type widthPM struct{}

func (widthPM) width() (size, least, most int, big bool) { return 4, 0, 8, false }

func (a *mptcpLimitsArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	e := kernel.Entry{NS: a.NS.NSRef, Table: "mptcp_limits"}
	e.Msg = kernel.Blank(e)
	if err := setTo(tx, e, a); err != nil {
		return nil, err
	}
	now, err := tx.Machine().FindEntry(e)
	if err != nil {
		return nil, err
	}
	return &entryValue{tx.View, *now}, nil
}
