package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
)

// idMaps are the ids of a sandbox: its root is the user, and ids from 1 on are the user's subordinate ones (subuid(5)),
// so that daemons in it can drop their privileges.
type idMaps struct{ uids, gids []string }

// subordinate looks for the user's subordinate ids and the commands that may give them (newuidmap(1)); nil when
// something is missing, and then root is the only user in the sandbox.
func subordinate() *idMaps {
	for _, c := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(c); err != nil {
			return nil
		}
	}
	uids, gids := idRange("/etc/subuid"), idRange("/etc/subgid")
	if uids == nil || gids == nil {
		return nil
	}
	own := func(id int, more []string) []string {
		return append([]string{"0", strconv.Itoa(id), "1", "1"}, more...)
	}
	return &idMaps{own(os.Geteuid(), uids), own(os.Getegid(), gids)}
}

// idRange finds the user's first range in a file of them: where it starts and how long it is.
func idRange(file string) []string {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	names := []string{strconv.Itoa(os.Geteuid())}
	if u, err := user.LookupId(names[0]); err == nil {
		names = append(names, u.Username)
	}
	for _, line := range strings.Split(string(text), "\n") {
		f := strings.Split(strings.TrimSpace(line), ":")
		for _, name := range names {
			if len(f) == 3 && f[0] == name {
				return f[1:]
			}
		}
	}
	return nil
}

// give gives a process that waits for it its ids.
func (m *idMaps) give(pid int) error {
	for _, c := range []struct {
		command string
		ids     []string
	}{{"newuidmap", m.uids}, {"newgidmap", m.gids}} {
		out, err := exec.Command(c.command, append([]string{strconv.Itoa(pid)}, c.ids...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", c.command, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}
