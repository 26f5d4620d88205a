package lab

import (
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// pair is two ends of a connection as a sandbox and its caller have them.
func pair(t *testing.T) (here, there *net.UnixConn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		c, err := net.FileConn(f)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		t.Cleanup(func() { c.Close() })
		ends[i] = c.(*net.UnixConn)
	}
	return ends[0], ends[1]
}

// TestRequest sends more than a socket holds at once, and bytes that are no text; what follows is not lost.
func TestRequest(t *testing.T) {
	here, there := pair(t)
	want := slices.Repeat([]string{strings.Repeat("x", 1000), "a\xffb", ""}, 2000)
	sent := make(chan error, 1)
	go func() {
		err := send(here, request{Do: "run", Args: want, Dir: []byte("/\xfe")}, os.Stdin, os.Stdout, os.Stderr)
		if err == nil {
			err = send(here, request{Do: "signal", Num: 2})
		}
		here.Close()
		sent <- err
	}()
	r, files, rest, err := receive(there)
	closeAll(files)
	if err != nil || r.Do != "run" || !slices.Equal(r.Args, want) || string(r.Dir) != "/\xfe" || len(files) != 3 {
		t.Errorf("%q with %d arguments, folder %q, %d files, %v", r.Do, len(r.Args), r.Dir, len(files), err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	more := make([]byte, 100)
	n, _ := there.Read(more)
	if got := string(rest) + string(more[:n]); !strings.Contains(got, `"num":2`) {
		t.Errorf("what follows is %q", got)
	}
	if err := send(here, request{Args: []string{strings.Repeat("x", maxRequest)}}); err == nil ||
		!strings.Contains(err.Error(), "argument list too long") {
		t.Errorf("a request that is too long: %v", err)
	}
}

// TestMalformedRequest answers what is no request, and goes on.
func TestMalformedRequest(t *testing.T) {
	server := NewServer(nil, nil, func() Lab { return Lab{} })
	for _, c := range []struct{ text, want string }{
		{"", "cut off"},
		{"{", "cut off"},
		{"x\n", "invalid character"},
		{"{}\n", "unknown request"},
		{`{"do":"run","args":["eA=="]}` + "\n", "unknown request run"}, // without descriptors
		{`{"do":"run","args":["no base64"]}` + "\n", "illegal base64"},
		{strings.Repeat(" ", maxRequest+1), "too long"},
	} {
		here, there := pair(t)
		go func() {
			_, _ = here.Write([]byte(c.text)) // it may be answered before its end
			_ = here.CloseWrite()
		}()
		answered := make(chan struct{})
		go func() { server.answer(there); there.Close(); close(answered) }()
		answer := make([]byte, 1000)
		n, _ := here.Read(answer)
		<-answered
		if !strings.Contains(string(answer[:n]), c.want) {
			t.Errorf("%.40q: answer %q, want %q", c.text, answer[:n], c.want)
		}
	}
}
