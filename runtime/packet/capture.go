package packet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nsscript/nsscript/runtime/pcapfilter"
)

// A Capture is what has come to a link since it began. It may be used by several goroutines.
type Capture struct {
	Began time.Time
	o     Options
	ring  *ring
	over  chan struct{} // closed when nothing is read any more

	mu      sync.Mutex
	kept    store
	read    int // frames that were read from the ring
	came    int // frames that the kernel has put there
	dropped int // frames that it had no room for
	full    int // frames that were not kept
	stopped bool
	closed  bool          // nothing is read any more
	err     error         // of the end
	heard   chan struct{} // closed when more has come
}

// Stats says what became of the frames that the filter is true of.
type Stats struct {
	Frames  int // kept
	Dropped int // for which the kernel had no room
	Full    int // for which there was no room in what is kept
}

// Options are how a capture is made.
type Options struct {
	Filter *pcapfilter.Program
	Snap   int // bytes that are kept of each frame
	Buffer int // bytes of the kernel's memory for frames that are not read yet
	Keep   int // bytes of memory for those that are
}

// Begin captures the frames of a link of the namespace that do enters. All that come after it has returned are there.
func Begin(do func(func() error) error, index int, o Options) (*Capture, error) {
	code, err := o.Filter.Kernel(uint32(o.Snap))
	if err != nil {
		return nil, err
	}
	c := &Capture{Began: time.Now(), o: o, over: make(chan struct{}), heard: make(chan struct{})}
	err = do(func() (err error) {
		c.ring, err = openRing(index, code, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	go c.receive()
	return c, nil
}

// receive reads the ring until it is closed.
func (c *Capture) receive() {
	defer close(c.over)
	for {
		err := c.ring.wait()
		c.mu.Lock()
		if err == nil {
			c.ring.each(c.keep)
		}
		if c.closed = err != nil; c.closed {
			c.err = c.ring.unmap()
		}
		close(c.heard)
		c.heard = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
		c.ring.giveBack()
	}
}

// keep copies a frame if it is one that is wanted.
func (c *Capture) keep(a arrived) {
	c.read++
	f := pcapfilter.Frame{Data: a.data[:min(len(a.data), c.o.Snap)], Length: a.length, Outgoing: a.outgoing}
	if a.other && !c.o.Filter.Match(f) {
		return
	}
	if !c.kept.add(f, a.time, c.o.Keep) {
		c.full++
	}
}

// Frames are those that have come, oldest first, but for so many: all that came before the call are among them. The
// channel is closed when there are more, or when the capture is.
func (c *Capture) Frames(ctx context.Context, but int) (all []Frame, more <-chan struct{}, err error) {
	if err := c.settle(ctx); err != nil {
		return nil, nil, err
	}
	c.mu.Lock()
	kept, more := c.kept.snapshot(), c.heard
	c.mu.Unlock()
	return kept.from(but), more, nil
}

// settle waits until all that the kernel has counted was read. The kernel hands over what it has within milliseconds.
func (c *Capture) settle(ctx context.Context) error {
	if err := c.count(); err != nil {
		return err
	}
	for {
		c.mu.Lock()
		done, heard := c.closed || c.read >= c.came, c.heard
		c.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-heard:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// count asks the kernel how many frames have come.
func (c *Capture) count() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.stopped {
		return nil
	}
	came, dropped, err := c.ring.stats()
	if err != nil {
		return fmt.Errorf("read statistics of packet socket: %w", err)
	}
	c.came += came - dropped
	c.dropped += dropped
	return nil
}

// Stats says what became of the frames so far.
func (c *Capture) Stats(ctx context.Context) (Stats, error) {
	if err := c.settle(ctx); err != nil {
		return Stats{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{c.kept.n, c.dropped, c.full}, nil
}

// Stopped reports whether nothing comes any more.
func (c *Capture) Stopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped
}

// Close ends the capture. What has come stays.
func (c *Capture) Close() error {
	c.mu.Lock()
	stopped := c.stopped
	c.stopped = true
	c.mu.Unlock()
	if stopped {
		return nil
	}
	err := c.ring.file.Close()
	<-c.over
	return errors.Join(err, c.err)
}
