package builtins

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/packet"
)

var captureExpectDecl = runtime.Query("expect", "list of packet",
	"Waits until so many frames that a filter is true of were captured, from the beginning of the capture on, and "+
		"returns those that were. It fails when the time is over, with what did come.",
	&captureExpectArgs{Count: 1, Timeout: waitArg(5 * time.Second)})

type captureExpectArgs struct {
	Capture *captureValue `arg:"capture" doc:"the capture"`
	Filter  filterArg     `arg:"filter" doc:"which frames (pcap-filter(7))"`
	_       struct{}      `arg:"*"`
	Count   frameCount    `arg:"count?" doc:"how many at least"`
	Timeout waitArg       `arg:"timeout?" doc:"how long to wait"`
}

type frameCount int

func (frameCount) ArgType() string { return "int" }

func (a *frameCount) Unpack(val starlark.Value) (err error) {
	*a, err = number[frameCount](val, 1, 1<<30)
	return err
}

func (a *captureExpectArgs) Query(v *runtime.View) (starlark.Value, error) {
	some, all, err := a.Capture.await(v, a.Filter, int(a.Count), time.Duration(a.Timeout))
	if err != nil {
		return nil, err
	}
	if len(some) >= int(a.Count) {
		return a.Capture.list(some), nil
	}
	why := fmt.Errorf("%d of %d came within %s", len(some), a.Count, a.Timeout)
	if a.Capture.c.Stopped() {
		why = fmt.Errorf("%d of %d came before the capture was stopped", len(some), a.Count)
	}
	hint := "nothing else came either"
	if len(all) > 0 {
		hint = "these came:" + lines(all)
	}
	if st, err := a.Capture.stats(v); err == nil && st.Dropped+st.Full > 0 {
		hint = fmt.Sprintf("%d frames were dropped; ", st.Dropped+st.Full) + hint
	}
	return nil, &kernel.Error{Op: "expect frames", Object: strconv.Quote(string(a.Filter)),
		NS: a.Capture.link.NS.String(), Err: why, Hint: hint}
}

var captureNoneDecl = runtime.Query("expect_none", "None",
	"Fails if a frame that a filter is true of was captured, from the beginning of the capture on, or is within a "+
		"time.",
	&captureNoneArgs{Timeout: durationArg(100 * time.Millisecond)})

type captureNoneArgs struct {
	Capture *captureValue `arg:"capture" doc:"the capture"`
	Filter  filterArg     `arg:"filter" doc:"which frames (pcap-filter(7))"`
	_       struct{}      `arg:"*"`
	Timeout durationArg   `arg:"timeout?" doc:"how long to watch for one; 0s: only what has come is looked at"`
}

func (a *captureNoneArgs) Query(v *runtime.View) (starlark.Value, error) {
	some, _, err := a.Capture.await(v, a.Filter, 1, time.Duration(a.Timeout))
	if err != nil || len(some) == 0 {
		return nil, err
	}
	return nil, &kernel.Error{Op: "expect no frames", Object: strconv.Quote(string(a.Filter)),
		NS: a.Capture.link.NS.String(), Err: errors.New("there are some"), Hint: "these came:" + lines(some)}
}

// lines are the last frames, a line each.
func lines(all []packet.Frame) string {
	var b strings.Builder
	for _, f := range all[max(0, len(all)-10):] {
		b.WriteString("\n        " + packet.Line(packet.Decode(f.Data)))
	}
	return b.String()
}

// await waits for so many frames that a filter is true of, for a time at most. It returns them, and all others.
func (c *captureValue) await(v *runtime.View, filter filterArg, count int,
	most time.Duration) (some, all []packet.Frame, err error) {
	p, err := filter.compile(c.mask)
	if err != nil {
		return nil, nil, err
	}
	deadline := time.Now().Add(most)
	for {
		now, more, err := c.frames(v, len(all))
		if err != nil {
			return nil, nil, err
		}
		all, some = append(all, now...), append(some, c.matching(now, p)...)
		left := time.Until(deadline)
		if len(some) >= count || left <= 0 || c.c.Stopped() {
			return some, all, nil
		}
		ctx := v.Context()
		err = v.Aside(func() error {
			timer := time.NewTimer(left)
			defer timer.Stop()
			select {
			case <-more:
			case <-timer.C:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
}
