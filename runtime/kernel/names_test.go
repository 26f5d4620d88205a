package kernel

import (
	"path"
	"strings"
	"testing"
)

// TestNames holds the rules for names against what shells, the kernel and terminals would make of the bad ones.
func TestNames(t *testing.T) {
	long := strings.Repeat("n", 65)
	for _, c := range []struct{ name, link, namespace string }{
		{"eth0", "", ""},
		{"veth-ns1", "", ""},
		{"eth0.100", "", ""},
		{"_x", "first character", "first character"},
		{"fifteen-bytes-x", "", ""},
		{"sixteen-bytes-xx", "16 bytes long, at most 15", ""},
		{long[:64], "at most 15", ""},
		{long, "at most 15", "65 bytes long, at most 64"},
		{"", "is empty", "is empty"},
		{".", "first character", "first character"},
		{"..", "first character", "first character"},
		{"-x", "first character", "first character"},
		{"%d", "first character", "first character"},
		{"eth%d", "has '%' in it", "has '%' in it"},
		{"a/b", "has '/' in it", "has '/' in it"},
		{"a b", "has ' ' in it", "has ' ' in it"},
		{"a\nb", `has '\n' in it`, `has '\n' in it`},
		{"a\x00b", `has '\x00' in it`, `has '\x00' in it`},
		{"a\x1b[2J", `has '\x1b' in it`, `has '\x1b' in it`},
		{"a:b", "has ':' in it", "has ':' in it"},
		{"ä", "first character", "first character"},
		{"aä", "has 'ä' in it", "has 'ä' in it"},
		{"a\xff", "has '\ufffd' in it", "has '\ufffd' in it"},
		{"all", "is reserved", ""},
		{"default", "is reserved", ""},
		{"host", "", "is reserved"},
	} {
		said(t, "link", c.name, ValidLinkName(c.name), c.link)
		said(t, "namespace", c.name, ValidNamespaceName(c.name), c.namespace)
	}
}

func said(t *testing.T, what, name string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s %q: %v, want it to be allowed", what, name, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s %q: %v, want %q", what, name, err, want)
	}
}

// TestSysctlPath holds keys in both spellings of sysctl(8), and those that would lead elsewhere.
func TestSysctlPath(t *testing.T) {
	for _, c := range []struct{ key, path, want string }{
		{"net.ipv4.ip_forward", "net/ipv4/ip_forward", ""},
		{"net/ipv4/ip_forward", "net/ipv4/ip_forward", ""},
		{"net/ipv4/conf/eth0.100/forwarding", "net/ipv4/conf/eth0.100/forwarding", ""},
		{"net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding", ""},
		{"", "", "not below net"},
		{"net", "", "not below net"},
		{"net.ipv4", "", "not below net"},
		{"kernel.core_pattern", "", "not below net"},
		{"/net/ipv4/ip_forward", "", "not below net"},
		{"net/../kernel/core_pattern", "", `has ".." in it`},
		{"net.ipv4.//.kernel", "", `has ".." in it`},
		{"net/./ipv4/ip_forward", "", `has "." in it`},
		{"net..ipv4.ip_forward", "", `has "" in it`},
		{"net.ipv4.ip_forward.", "", `has "" in it`},
		{"net.ipv4.ip_forward\x00", "", `has "ip_forward\x00" in it`},
		{"net.ipv4.ip forward", "", `has "ip forward" in it`},
		{"net.ipv4.*", "", `has "*" in it`},
	} {
		got, err := SysctlPath(c.key)
		said(t, "sysctl", c.key, err, c.want)
		if got != c.path {
			t.Errorf("SysctlPath(%q) = %q, want %q", c.key, got, c.path)
		}
	}
}

// FuzzNames looks for a name that is allowed and would not be one plain component of a path.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"eth0", "..", "a/b", "-x", "a\x1b[0m", "a%d", "ä", "all", "host"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		plain := path.Base(path.Clean("/x/"+name)) == name && !strings.ContainsAny(name, "%\x1b \t\n\x00:*?[]$'\"\\") &&
			!strings.HasPrefix(name, "-")
		if ValidLinkName(name) == nil && (!plain || len(name) > 15) {
			t.Errorf("link name %q is allowed", name)
		}
		if ValidNamespaceName(name) == nil && (!plain || len(name) > 64) {
			t.Errorf("namespace name %q is allowed", name)
		}
	})
}

// FuzzSysctlPath looks for a key that leads out of /proc/sys/net.
func FuzzSysctlPath(f *testing.F) {
	for _, seed := range []string{"net.ipv4.ip_forward", "net/ipv4/conf/a.b/x", "net/../kernel/x",
		"net.ipv4.//.x", "net/ipv4/*"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		p, err := SysctlPath(key)
		if err == nil && (path.Clean(p) != p || !strings.HasPrefix(p, "net/") || strings.ContainsAny(p, "*?[\\\x00")) {
			t.Errorf("SysctlPath(%q) = %q", key, p)
		}
	})
}
