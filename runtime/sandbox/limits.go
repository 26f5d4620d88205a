package sandbox

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// A Limit is how much of something a user may have, as far as labs need it.
type Limit struct {
	Name, Says, Remedy string
	Err                error // it is too low
}

// enough is how many namespaces a big lab has.
const enough = 1000

// Limits reads the limits that labs meet.
func Limits() []Limit {
	var all []Limit
	add := func(name string, have uint64, need uint64, remedy string) {
		l := Limit{Name: name, Says: strconv.FormatUint(have, 10), Remedy: remedy}
		if have == unix.RLIM_INFINITY {
			l.Says = "unlimited"
		} else if have < need {
			l.Err = fmt.Errorf("%d, less than the %d of a lab of %d namespaces", have, need, enough)
		}
		all = append(all, l)
	}
	for _, r := range []struct {
		name   string
		which  int
		need   uint64
		remedy string
	}{{"open files", unix.RLIMIT_NOFILE, 4 * enough, "ulimit -n"},
		{"processes", unix.RLIMIT_NPROC, enough, "ulimit -u"}} {
		var limit unix.Rlimit
		if err := unix.Getrlimit(r.which, &limit); err != nil {
			all = append(all, Limit{Name: r.name, Err: err})
			continue
		}
		add(r.name, limit.Max, r.need, "raise it with "+r.remedy)
	}
	for _, s := range []string{"user_namespaces", "net_namespaces", "mnt_namespaces"} {
		key := "user.max_" + s
		if n, err := strconv.ParseUint(setting("/proc/sys/user/max_"+s), 10, 64); err == nil {
			add(key, n, enough, fmt.Sprintf("sysctl -w %s=%d", key, 10*enough))
		}
	}
	return all
}

// Subordinate says what is missing for more than one user in a sandbox.
func Subordinate() error {
	if subordinate() == nil {
		return errors.New("newuidmap and newgidmap, or a range of ids for the user")
	}
	return nil
}
