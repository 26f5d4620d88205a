package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// End answers a caller, with a descriptor by which that sees the sandbox's end, and ends it: all processes in it are
// killed. It returns only when it could not.
func (in *Inside) End(c *net.UnixConn, answer any) error {
	line, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	self, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return fmt.Errorf("end sandbox: %w", err)
	}
	if _, _, err := c.WriteMsgUnix(append(line, '\n'), unix.UnixRights(self), nil); err != nil {
		return fmt.Errorf("end sandbox: %w", err)
	}
	os.Exit(0)
	return nil
}

// AwaitEnd reads the answer of End, and returns when the last process of the sandbox has ended: the first one's end,
// which the kernel tells only then, and not that of the connection, which it closes before.
func AwaitEnd(c *net.UnixConn, answer any, patience time.Duration) error {
	line, rights := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4))
	n, end := 0, -1
	for n == 0 || line[n-1] != '\n' {
		k, kr, _, _, err := c.ReadMsgUnix(line[n:], rights)
		if err == nil && k == 0 {
			err = errors.New("the answer is cut off or too long")
		}
		if err != nil {
			return err
		}
		n += k
		if kr == 0 {
			continue
		}
		msgs, err := unix.ParseSocketControlMessage(rights[:kr])
		if err != nil {
			return err
		}
		fds, err := unix.ParseUnixRights(&msgs[0])
		if err != nil {
			return err
		}
		end = fds[0]
		defer unix.Close(end)
	}
	if err := json.Unmarshal(line[:n], answer); err != nil || end < 0 {
		return err
	}
	for deadline := time.Now().Add(patience); ; {
		left := time.Until(deadline)
		k, err := unix.Poll([]unix.PollFd{{Fd: int32(end), Events: unix.POLLIN}}, int(max(left, 0).Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case k == 0:
			return errors.New("its processes do not end")
		default:
			return nil
		}
	}
}
