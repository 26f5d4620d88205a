package kernel

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/failpoint"
	"github.com/nsscript/nsscript/runtime/kernel/proc"
)

// An NftError is what nft(8) says of a text that it refuses.
type NftError struct{ Said string }

func (e *NftError) Error() string { return e.Said }

// nftPlaces are where the program is that PATH does not lead an ordinary user to.
var nftPlaces = []string{"nft", "/usr/sbin/nft", "/sbin/nft"}

// Nft runs nft(8) in the namespace, with a text to read. It sees nothing else of this process, and ends with it. What
// it refuses is an NftError.
func (n *Namespace) Nft(text string, args ...string) (out string, err error) {
	var path string
	for _, p := range nftPlaces {
		if path, err = exec.LookPath(p); err == nil {
			break
		}
	}
	if err != nil {
		return "", &Error{Op: "run nft", NS: n.Name(), Err: unix.ENOENT, Machine: true,
			Hint: "the program nft is not installed: apt-get install nftables, or your distribution's package of it"}
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(text+"\n"), &stdout, &stderr
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	err = n.Do(func() error {
		if err := proc.DropInherited(); err != nil {
			return err
		}
		return failpoint.Call(cmd.Run)
	})
	var exit *exec.ExitError
	switch said := strings.TrimSpace(stderr.String()); {
	case errors.As(err, &exit) && !exit.Exited():
		err = Partly(err) // nobody knows how far it came
	case errors.As(err, &exit) && said != "":
		err = &NftError{said}
	}
	return stdout.String(), fail(err, "run nft", "", n)
}

// CheckRules has nft(8) and the kernel look whether they would take a text, and changes nothing.
func (n *Namespace) CheckRules(text string) error {
	_, err := n.Nft(text, "-c", "-f", "-")
	return err
}

// ApplyRules has nft(8) make the changes of a text, all of them or none.
func (n *Namespace) ApplyRules(text string) error {
	failpoint.Hit("nft: before it is run")
	_, err := n.Nft(text, "-f", "-")
	failpoint.Hit("nft: after it was run")
	return err
}
