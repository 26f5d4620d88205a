package proc

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// logged is the log, whose length is told.
type logged struct{ s *supervisor }

func (l *logged) Write(p []byte) (int, error) {
	n, err := l.s.log.Write(p)
	l.s.update(func(st *ServiceState) { st.Log, st.Lost = l.s.log.end, l.s.log.lost })
	return n, err
}

// output is what a command prints, on its way to the log.
type output struct {
	from *os.File
	done chan struct{} // closed when nothing copies it any more
}

func (s *supervisor) copy(from *os.File) *output {
	o := &output{from, make(chan struct{})}
	go func() {
		defer close(o.done)
		_, _ = io.Copy(&logged{s}, from) // ends when nobody has the other end any more, or at a deadline
	}()
	return o
}

// end copies what is there still once all that the command started has ended, and closes the pipe. Somebody outside may
// have been given its other end, and is not waited for: a pipe holds no more than its size of what came before.
func (o *output) end(to io.Writer) {
	defer o.from.Close()
	_ = o.from.SetReadDeadline(time.Now()) // a pipe has deadlines
	<-o.done
	raw, err := o.from.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { // it is open still
		size, err := unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0)
		for p := make([]byte, max(size, 0)); err == nil && len(p) > 0; {
			n, e := unix.Read(int(fd), p)
			if errors.Is(e, unix.EINTR) {
				continue
			} else if n <= 0 {
				return
			}
			_, _ = to.Write(p[:n])
			p = p[n:]
		}
	})
}
