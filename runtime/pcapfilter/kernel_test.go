package pcapfilter_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/pcapfilter"
)

// TestKernel has the kernel itself run each program of testdata/expressions.txt, as the filter of a socket that frames
// are sent to: it takes the program, and selects the same frames.
func TestKernel(t *testing.T) {
	text, err := os.ReadFile("testdata/expressions.txt")
	if err != nil {
		t.Fatal(err)
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ends[0])
	defer unix.Close(ends[1])
	all := frames(5, 300)
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		_, expr, _ := strings.Cut(line, "\t")
		p, err := pcapfilter.Compile(expr, pcapfilter.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := attach(ends[1], p); err != nil {
			t.Errorf("%s: the kernel does not take it: %v", expr, err)
			continue
		}
		for i, f := range all {
			if len(f.Data) == 0 {
				continue
			}
			f.Length = len(f.Data)
			if got, want := passes(t, ends, f.Data), p.Match(f); got != want {
				t.Errorf("%s: of frame %d the kernel says %v: %x", expr, i, got, f.Data)
				break
			}
		}
	}
}

func attach(fd int, p *pcapfilter.Program) error {
	raw, err := p.Kernel(1 << 16)
	if err != nil {
		return err
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
}

// passes tells whether a frame comes through the filter of the other end.
func passes(t *testing.T, ends [2]int, frame []byte) bool {
	if _, err := unix.Write(ends[0], frame); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, len(frame)+1)
	n, err := unix.Read(ends[1], buf)
	switch {
	case err == unix.EAGAIN:
		return false
	case err != nil:
		t.Fatal(err)
	case !bytes.Equal(buf[:n], frame):
		t.Fatalf("%d bytes of %d came", n, len(frame))
	}
	return true
}
