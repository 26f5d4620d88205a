package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A Refusal says what of a sandbox the machine does not allow, and what would make it.
type Refusal struct {
	Step string
	Err  error
	Why  string // what forbids it, and what to do about that; empty when that is not known
}

func (e *Refusal) Error() string { return fmt.Sprintf("make a sandbox: %s: %v", e.Step, e.Err) }
func (e *Refusal) Unwrap() error { return e.Err }

// refusal looks for what the machine has against a step of making a sandbox.
func refusal(step string, err error) error {
	if err == nil {
		return nil
	}
	r := &Refusal{Step: step, Err: err}
	denied := errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
	switch {
	case setting("/proc/sys/user/max_user_namespaces") == "0", setting("/proc/sys/user/max_net_namespaces") == "0",
		errors.Is(err, unix.ENOSPC):
		r.Why = "the limit on namespaces is reached or 0: raise user.max_user_namespaces and user.max_net_namespaces " +
			"(sysctl -w)"
	case denied && setting("/proc/sys/kernel/unprivileged_userns_clone") == "0":
		r.Why = "user namespaces are for root only: sysctl -w kernel.unprivileged_userns_clone=1, or run it as root"
	case denied && setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
		// Ubuntu 24.04: the namespace is made, and everything in it is denied.
		r.Why = "AppArmor lets only programs that have a profile for it work in user namespaces: " +
			"give nsscript one with \"userns,\" in it (apparmor.d(5)), " +
			"or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run it as root"
	case denied && status("Seccomp:") != "0" && status("Seccomp:") != "":
		r.Why = "a seccomp filter is in force, as in a container: allow clone and mount in new user namespaces " +
			"(docker run --security-opt seccomp=unconfined), or run it outside"
	case denied && step == "mount /proc":
		r.Why = "parts of /proc are hidden here, as in a container: docker run --security-opt " +
			"systempaths=unconfined, or run it outside"
	case errors.Is(err, unix.EINVAL):
		r.Why = "this kernel has no user, network or PID namespaces (CONFIG_USER_NS, CONFIG_NET_NS, CONFIG_PID_NS)"
	}
	return r
}

func setting(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "" // there is no such switch here
	}
	return strings.TrimSpace(string(text))
}

// status is a line of this process's /proc/self/status.
func status(key string) string {
	for _, line := range strings.Split(setting("/proc/self/status"), "\n") {
		if value, ok := strings.CutPrefix(line, key); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
