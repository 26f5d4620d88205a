package sandbox

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestRefusal wants the cause kept for whoever asks, and a remedy where the errno tells one.
func TestRefusal(t *testing.T) {
	for _, c := range []struct {
		step string
		err  error
		want string
	}{
		{"start it", unix.ENOSPC, "user.max_user_namespaces"},
		{"start it", unix.EINVAL, "CONFIG_USER_NS"},
		{"mount /proc", unix.EPERM, ""}, // what forbids it depends on the machine
		{"set lo up", unix.EIO, ""},
	} {
		err := refusal(c.step, c.err)
		r := new(Refusal)
		if !errors.Is(err, c.err) || !errors.As(err, &r) || !strings.Contains(r.Why, c.want) ||
			!strings.Contains(err.Error(), c.step) {
			t.Errorf("%s: %v: %q, want %q", c.step, err, r.Why, c.want)
		}
	}
}

// TestIdRange reads files as subuid(5) describes them, and worse ones.
func TestIdRange(t *testing.T) {
	me := strconv.Itoa(os.Geteuid())
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"other:1:2\n", nil},
		{"other:1:2\n" + me + ":100000:65536\n", []string{"100000", "65536"}},
		{me + ":1\n" + me + ":5:6", []string{"5", "6"}},
		{me + ":1:2:3\n", nil},
	} {
		file := filepath.Join(t.TempDir(), "subuid")
		if err := os.WriteFile(file, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := idRange(file); !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
	if got := idRange("/nowhere"); got != nil {
		t.Errorf("got %q from a file that is not there", got)
	}
}

// TestListen claims a name, finds it taken, reaches it, and finds it free again.
func TestListen(t *testing.T) {
	name := "sandbox-test-" + strconv.Itoa(os.Getpid())
	if _, _, err := Dial(name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("dial: %v", err)
	}
	l, err := Listen(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(name); !errors.Is(err, ErrTaken) {
		t.Errorf("listen twice: %v", err)
	}
	if names, err := Names(); err != nil || !slices.Contains(names, name) {
		t.Errorf("names: %q, %v", names, err)
	}
	c, pid, err := Dial(name)
	if err != nil || pid != os.Getpid() {
		t.Fatal(pid, err)
	}
	there, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if n, err := there.Read(make([]byte, 1)); n != 1 {
		t.Error(err)
	}
	if err := errors.Join(c.Close(), there.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	if names, err := Names(); err != nil || slices.Contains(names, name) {
		t.Errorf("names: %q, %v", names, err)
	}
}

// TestSquatted has another user bind the address of a name: it can be claimed and reached all the same, once, and it is
// not listed when this user has none of that name.
func TestSquatted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a socket another user's")
	}
	name := "squatted-" + strconv.Itoa(os.Getpid())
	foreign, err := listen(address(name))
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	if err := foreign.file.Chown(65534, 65534); err != nil { // the kernel tells the owner of the socket's inode
		t.Fatal(err)
	}
	if names, err := Names(); err != nil || slices.Contains(names, name) {
		t.Errorf("names: %q, %v", names, err)
	}
	if _, _, err := Dial(name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("dial: %v", err)
	}
	l, err := Listen(name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Listen(name); !errors.Is(err, ErrTaken) {
		t.Errorf("listen twice: %v", err)
	}
	c, _, err := Dial(name)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	there, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	there.Close()
}

// TestFull reaches for a sandbox whose waiting callers have taken all places: that ends, and says so.
func TestFull(t *testing.T) {
	name := "full-" + strconv.Itoa(os.Getpid())
	l, err := Listen(name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range backlog + 1 {
		c, err := net.Dial("unix", "@"+address(name))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if _, _, err := dial(address(name), time.Millisecond); !errors.Is(err, ErrSilent) {
		t.Errorf("dial: %v", err)
	}
}

// TestUnowned finds a socket where a kernel without unix_diag shows it.
func TestUnowned(t *testing.T) {
	name := "unowned-" + strconv.Itoa(os.Getpid())
	l, err := Listen(name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if all, err := unowned(); err != nil || !slices.Contains(all, owned{address(name), os.Geteuid()}) {
		t.Errorf("%v, %v", all, err)
	}
}

// TestUnusedIDs looks into maps as user_namespaces(7) describes them.
func TestUnusedIDs(t *testing.T) {
	for _, c := range []struct {
		text         string
		first, count int
	}{
		{"         0          0 4294967295\n", firstUnused, countUnused},
		{"0 1000 1\n1 100000 65536\n", 65536, 1}, // a container's
		{"0 1000 1\n", 0, 1},
		{"", 0, 1},
	} {
		if got := unusedOf(c.text); got.HostID != c.first || got.Size != c.count {
			t.Errorf("%q: %+v", c.text, got)
		}
	}
}

// TestConfig takes a line and no byte more, for the next is another reader's.
func TestConfig(t *testing.T) {
	r := strings.NewReader("{\"listener\":true}\nrest")
	if c, err := readConfig(r); err != nil || !c.Listener || r.Len() != len("rest") {
		t.Errorf("%+v, %v, %d bytes left", c, err, r.Len())
	}
	for _, bad := range []string{"", "{", "x\n", "{}"} {
		if _, err := readConfig(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
