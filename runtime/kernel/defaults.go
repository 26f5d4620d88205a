package kernel

import (
	"errors"

	"golang.org/x/sys/unix"
)

// defaults are what a new namespace's IPv4 settings are, so that a lab is the same on every machine: the kernel copies
// them from the machine's first namespace, where administrators and other programs change them (ip-sysctl.rst,
// devconf_inherit_init_net). The values are the kernel's own. forwarding comes first, since it writes others.
var defaults = []struct{ key, value string }{
	{"forwarding", "0"}, {"rp_filter", "0"}, {"accept_redirects", "1"}, {"send_redirects", "1"},
	{"secure_redirects", "1"}, {"shared_media", "1"}, {"proxy_arp", "0"}, {"arp_filter", "0"}, {"arp_announce", "0"},
	{"arp_ignore", "0"}, {"arp_notify", "0"}, {"arp_accept", "0"}, {"accept_local", "0"}, {"route_localnet", "0"},
	{"src_valid_mark", "0"}, {"log_martians", "0"}, {"promote_secondaries", "0"},
}

// differences lists the defaults that are others in the namespace that the calling thread is in.
func differences() (paths [][2]string, err error) {
	for _, b := range defaults {
		for _, link := range []string{"all", "default", "lo"} {
			path := "net/ipv4/conf/" + link + "/" + b.key
			have, err := readSysctl(path)
			if errors.Is(err, unix.ENOENT) {
				continue // an older kernel
			} else if err != nil {
				return nil, err
			}
			if have != b.value {
				paths = append(paths, [2]string{path, b.value})
			}
		}
	}
	return paths, nil
}

// differences are those of the new namespace that the calling thread is in. All new ones have the same, until
// what they inherit is changed.
func (m *Machine) differences() ([][2]string, error) {
	if m.differing == nil {
		found, err := differences()
		if err != nil {
			return nil, err
		}
		m.differing = &found
	}
	return *m.differing, nil
}

// setDefaults writes the settings in the namespace that the calling thread is in.
func setDefaults(settings [][2]string) error {
	for _, s := range settings {
		if err := putSysctl(s[0], s[1]); err != nil {
			return err
		}
	}
	return nil
}

// SetDefaults gives the host's namespace the defaults that namespaces get which are made here: for a
// sandbox, whose host is new.
func (m *Machine) SetDefaults() error {
	return fail(m.host.Do(func() error {
		found, err := differences()
		return errors.Join(err, setDefaults(found))
	}), "set sysctls", "of a new namespace", m.host)
}
