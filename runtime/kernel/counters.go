package kernel

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Counters are the MIB counters of a namespace: those of /proc/net/snmp, snmp6 and netstat, under their names there, in
// their groups. A kernel without a protocol has no counters of it.
func (n *Namespace) Counters() (map[string]map[string]int64, error) {
	all := map[string]map[string]int64{}
	add := func(group, name, value string) error {
		i, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return fmt.Errorf("%s of %s: %w", name, group, err)
		}
		if all[group] == nil {
			all[group] = map[string]int64{}
		}
		all[group][name] = i
		return nil
	}
	err := n.Do(func() error {
		for _, f := range []struct {
			file string
			read func(string, func(group, name, value string) error) error
		}{{"snmp", pairedLines}, {"netstat", pairedLines}, {"snmp6", namedLines}} {
			text, err := os.ReadFile("/proc/thread-self/net/" + f.file)
			if errors.Is(err, unix.ENOENT) {
				continue
			} else if err == nil {
				err = f.read(string(text), add)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if all["Icmp"] != nil && all["IcmpMsg"] == nil {
		all["IcmpMsg"] = map[string]int64{} // it is there after the first message
	}
	return all, fail(err, "read counters", "", n)
}

// pairedLines reads a line of names after "GROUP:", and one of their values, and so on.
func pairedLines(text string, add func(group, name, value string) error) error {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		if len(names) == 0 || len(names) != len(values) || names[0] != values[0] {
			return fmt.Errorf("%q has other values: %q", lines[i], lines[i+1])
		}
		group := strings.TrimSuffix(names[0], ":")
		for j := 1; j < len(names); j++ {
			if err := add(group, names[j], values[j]); err != nil {
				return err
			}
		}
	}
	return nil
}

// namedLines reads a counter a line, whose name begins with that of its group: Ip6InReceives.
func namedLines(text string, add func(group, name, value string) error) error {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			return fmt.Errorf("%q is no counter", line)
		}
		proto, name, ok := strings.Cut(fields[0], "6")
		if !ok {
			return fmt.Errorf("%q is no counter of IPv6", fields[0])
		}
		if err := add(proto+"6", name, fields[1]); err != nil {
			return err
		}
	}
	return nil
}
