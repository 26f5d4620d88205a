package proc

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWatcherGoes has one who watches a process that does nothing go away: nothing waits for the next change.
func TestWatcherGoes(t *testing.T) {
	s := newSupervisor()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range pair {
		f := os.NewFile(uintptr(fd), "end")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ends[i] = c.(*net.UnixConn)
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		s.tell(ends[0])
	}()
	var a answer
	if err := json.NewDecoder(ends[1]).Decode(&a); err != nil {
		t.Fatal(err)
	}
	ends[1].Close()
	<-told
}

// TestLastOutput ends the copying of what a command has printed, while somebody else can still print more: nothing of
// what is there is lost, and nobody is waited for.
func TestLastOutput(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newSupervisor()
	const size, count = 50_000, 30
	for range count {
		from, to, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer to.Close()
		if _, err := to.Write(bytes.Repeat([]byte("x"), size)); err != nil {
			t.Fatal(err)
		}
		s.copy(from).end(&logged{s})
	}
	if _, end, err := Service(".").Log(0); err != nil || end != size*count {
		t.Errorf("%d bytes of %d were printed: %v", end, size*count, err)
	}
}
