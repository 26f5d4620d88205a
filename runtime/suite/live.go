package suite

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// Live reports to a terminal: as Text does, and below that a line for each case that is running, with the time it took
// so far.
type Live struct {
	Text
	Width   func() int // columns of the terminal
	mu      sync.Mutex
	running []started
	shown   int // lines below the report
	done    int
	failed  int
	stop    chan struct{}
	stopped chan struct{}
}

type started struct {
	c  Case
	at time.Time
}

// redraw is how often the times are shown anew.
const redraw = 100 * time.Millisecond

func (l *Live) Start(c Case) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = append(l.running, started{c, time.Now()})
	if l.stop == nil {
		l.stop, l.stopped = make(chan struct{}), make(chan struct{})
		go l.tick()
	}
	l.draw()
}

func (l *Live) tick() {
	defer close(l.stopped)
	t := time.NewTicker(redraw)
	defer t.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-t.C:
			l.mu.Lock()
			l.draw()
			l.mu.Unlock()
		}
	}
}

func (l *Live) Done(r Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = slices.DeleteFunc(l.running, func(s started) bool {
		return s.c.Name() == r.Case.Name() && s.c.Try == r.Case.Try
	})
	l.done++
	if r.Status == Failed {
		l.failed++
	}
	io.WriteString(l.W, l.erase())
	l.Text.Done(r)
	l.draw()
}

func (l *Live) End(s Summary) error {
	if l.stop != nil {
		close(l.stop)
		<-l.stopped
	}
	io.WriteString(l.W, l.erase())
	return l.Text.End(s)
}

// erase takes the lines below the report away.
func (l *Live) erase() string {
	if l.shown == 0 {
		return ""
	}
	up := fmt.Sprintf("\x1b[%dA\r\x1b[J", l.shown)
	l.shown = 0
	return up
}

// draw shows what is running.
func (l *Live) draw() {
	var b strings.Builder
	b.WriteString(l.erase())
	width := max(l.Width(), 20)
	line := func(format string, args ...any) {
		text := []rune(fmt.Sprintf(format, args...))
		b.WriteString(string(text[:min(len(text), width-1)]) + "\n")
		l.shown++
	}
	for _, s := range l.running {
		line("  ... %6.1fs %s", time.Since(s.at).Seconds(), s.c.Name())
	}
	line("  %d done, %d failed, %d running", l.done, l.failed, len(l.running))
	io.WriteString(l.W, b.String())
}
