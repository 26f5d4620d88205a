package kernel

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/proc"
)

// ForwardsMulticast reports whether the kernel forwards multicast of a family, "ipv4" or "ipv6", in the namespace: as
// long as a process has a socket that has asked for it.
func (n *Namespace) ForwardsMulticast(family string) (bool, error) {
	now, err := n.Sysctl("net." + family + ".conf.all.mc_forwarding")
	return err == nil && now != "0", err
}

// ForwardMulticast has the kernel do so as long as the processes of in are there.
func (n *Namespace) ForwardMulticast(ctx context.Context, family string, in proc.Procs) error {
	if len(n.m.Helper) == 0 || in == (proc.Procs{}) {
		return fail(proc.ErrNoCgroups, "forward multicast", family, n)
	}
	var said strings.Builder
	argv := slices.Concat(n.m.Helper, []string{"multicast", family}, n.m.Helper)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Stderr = []string{}, &said
	st, err := n.Run(ctx, cmd, in, nil)
	if err == nil && st != 0 {
		err = errors.New(strings.TrimSpace(said.String()))
	}
	return fail(err, "forward multicast", family, n)
}

// HelpMulticast is what a helper process does for ForwardMulticast: it asks for the forwarding in its namespace, and
// leaves its socket to another process, which helper is the command of. Without one it is that other process.
func HelpMulticast(family string, helper []string) error {
	if len(helper) == 0 {
		for {
			_ = unix.Pause() // signals are for others
		}
	}
	f := mrouteOf(map[string]byte{"ipv4": unix.AF_INET, "ipv6": unix.AF_INET6}[family])
	fd, err := f.socket()
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, f.level, mrtInit, 1); err != nil {
		return err
	}
	argv := append(slices.Clone(helper), "multicast", family)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.ExtraFiles = []*os.File{os.NewFile(uintptr(fd), "multicast")}
	return cmd.Start()
}
