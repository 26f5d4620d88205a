package kernel

import (
	"errors"
	"os"
	"strings"
)

// hidden is an error when another mount hides the name of a namespace that a run has made: it lives on with that.
func (m *Machine) hidden(ref NSRef) error {
	if there, err := m.Exists(ref); err != nil || !there {
		return err
	}
	on, err := mountedOn(ref.Path)
	if err == nil && len(on) > 0 {
		err = errors.New("another mount hides its name, see `findmnt " + netnsDir + "`")
	}
	return err
}

// covered is ErrDiverged for a name that is somebody else's by now, and ErrInTheWay when theirs is only mounted on top
// of another one, or hides one, which may be ours: it can be taken away when theirs has gone. mounted says that theirs
// is a mount.
func covered(path string, mounted bool) error {
	on, err := mountedOn(path)
	switch {
	case err != nil:
		return errors.Join(ErrDiverged, err)
	case len(on) > 1, len(on) == 1 && !mounted:
		return ErrInTheWay
	}
	return ErrDiverged
}

// mountedOn lists what is mounted on a path, also what other mounts hide. One mount can be there more than once, where
// /run is shared.
func mountedOn(path string) (map[string]bool, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	on := map[string]bool{}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 4 && f[4] == path {
			on[f[3]] = true
		}
	}
	return on, err
}
