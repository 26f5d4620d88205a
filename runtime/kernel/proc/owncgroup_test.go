package proc

import (
	"slices"
	"testing"
)

// TestCgroupDirs reads what machines of all kinds say of their cgroups.
func TestCgroupDirs(t *testing.T) {
	const v1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:5 - cgroup cgroup rw,cpu\n"
	for _, c := range []struct {
		name, mounts, self string
		want               []string
	}{
		{"unified", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
			"0::/user.slice/a.scope\n", []string{"/sys/fs/cgroup/user.slice/a.scope"}},
		{"hybrid", v1 + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", "4:memory:/x\n0::/\n",
			[]string{"/sys/fs/cgroup/unified"}},
		{"version 1 only", v1, "1:cpu:/\n", nil},
		{"no mount", v1, "1:cpu:/\n0::/\n", nil},
		{"escapes", `41 31 0:38 / /mnt/a\040b\134c\011 rw - cgroup2 none rw` + "\n", "0::/d\n",
			[]string{"/mnt/a b\\c\t/d"}},
		{"container", "41 31 0:38 /box /sys/fs/cgroup rw - cgroup2 none rw\n", "0::/box/in\n",
			[]string{"/sys/fs/cgroup/in"}},
		{"outside the mount", "41 31 0:38 /box /sys/fs/cgroup rw - cgroup2 none rw\n", "0::/boxer\n", nil},
		{"outside the namespace", "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 none rw\n", "0::/../other\n", nil},
		{"two mounts", "41 31 0:38 / /a rw - cgroup2 none rw\n42 31 0:38 / /b rw - cgroup2 none rw\n", "0::/c\n",
			[]string{"/b/c", "/a/c"}},
		{"torn", "41 31 0:38\n - cgroup2 \n", "0::/\n", nil},
	} {
		if got := cgroupDirs(c.mounts, c.self); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
