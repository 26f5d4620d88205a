package kernel

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

const (
	sockDestroy = 21 // SOCK_DESTROY (linux/sock_diag.h)

	// Of struct inet_diag_req_v2 and struct inet_diag_msg (linux/inet_diag.h).
	sizeofDiagReq, diagReqStates, diagReqID          = 56, 4, 8
	sizeofDiagMsg, diagMsgID, diagMsgEnd, diagMsgIno = 72, 4, 52, 68
)

// closing are the states of a connection that this end has closed and the other one has not agreed to yet
// (include/net/tcp_states.h): FIN-WAIT-1, FIN-WAIT-2, LAST-ACK, CLOSING.
const closing = 1<<4 | 1<<5 | 1<<9 | 1<<11

// endOrphans breaks off those TCP connections of the namespace that no process has any more. While the other end is not
// reached, the kernel tries for minutes to close one well, and keeps the namespace for as long. A kernel that cannot do
// that (CONFIG_INET_DIAG_DESTROY) is no error: whatever keeps the namespace is named.
func (n *Namespace) endOrphans() error {
	c, err := n.speak(unix.NETLINK_INET_DIAG)
	if err != nil {
		return unlessLacking(err)
	}
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		ask := make(rtnl.Raw, sizeofDiagReq)
		ask[0], ask[1] = family, unix.IPPROTO_TCP
		binary.NativeEndian.PutUint32(ask[diagReqStates:], closing)
		all, err := c.Dump(n.m.buf, unix.SOCK_DIAG_BY_FAMILY, ask)
		if err != nil {
			return unlessLacking(err)
		}
		for _, s := range all {
			if len(s) < sizeofDiagMsg || binary.NativeEndian.Uint32(s[diagMsgIno:]) != 0 {
				continue // a process has it
			}
			end := make(rtnl.Raw, sizeofDiagReq)
			end[0], end[1] = s[0], unix.IPPROTO_TCP
			copy(end[diagReqID:], s[diagMsgID:diagMsgEnd])
			if err := c.Do(n.m.buf, sockDestroy, 0, end); err != nil {
				return unlessLacking(err)
			}
		}
	}
	return nil
}

// unlessLacking drops the errors of a kernel without a part, and of a connection that has ended by itself.
func unlessLacking(err error) error {
	for _, e := range []error{unix.EOPNOTSUPP, unix.EPROTONOSUPPORT, unix.ENOENT} {
		if errors.Is(err, e) {
			return nil
		}
	}
	return err
}
