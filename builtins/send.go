package builtins

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/packet"
)

var sendDecl = runtime.Query("send", "int",
	"Sends a frame on a link as it is (packet(7)), and returns how often. A frame that was made without layer.ether's "+
		"src= gets the address of the link. No route and no rule for local packets sees it.",
	&sendArgs{Count: 1}).Needing("capture")

type sendArgs struct {
	Link     linkArg      `arg:"link" doc:"link that it leaves by"`
	Packet   *packetValue `arg:"packet" doc:"what packet() makes, or one that was captured"`
	_        struct{}     `arg:"*"`
	Count    frameCount   `arg:"count?" doc:"how often"`
	Interval durationArg  `arg:"interval?" doc:"time from one to the next; 0s: as fast as it goes"`
}

func (a *sendArgs) Query(v *runtime.View) (starlark.Value, error) {
	n, err := v.Machine().Namespace(a.Link.NS)
	if err != nil {
		return nil, err
	}
	if err := v.Machine().Settle(); err != nil {
		return nil, err
	}
	s, err := packet.NewSender(n.Do, a.Link.Index)
	if err != nil {
		return nil, packetError("send on link", a.Link.LinkRef, err)
	}
	data, err := a.frame(s)
	sent := 0
	if err == nil {
		ctx := v.Context()
		err = v.Aside(func() (err error) {
			sent, err = s.Send(ctx, data, int(a.Count), time.Duration(a.Interval))
			return err
		})
	}
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	switch {
	case v.Context().Err() != nil:
		return nil, context.Cause(v.Context())
	case err != nil:
		e := packetError("send on link", a.Link.LinkRef, err)
		if sent > 0 {
			e.(*kernel.Error).Hint = fmt.Sprintf("%d of %d were sent", sent, a.Count)
		}
		return nil, e
	}
	return starlark.MakeInt(sent), nil
}

// frame is the bytes that are sent.
func (a *sendArgs) frame(s *packet.Sender) ([]byte, error) {
	p, data := a.Packet, bytes.Clone(a.Packet.frame.Data)
	ethernet := p.parts == nil || p.parts[0].Row != nil && p.parts[0].Row.Name == "ether"
	switch {
	case len(data) < p.frame.Length:
		return nil, fmt.Errorf("only %d of its %d bytes were kept", len(data), p.frame.Length)
	case s.NoHeader && p.parts == nil && len(data) >= 14:
		return data[14:], nil // the header was put there by the capture
	case s.NoHeader && ethernet:
		return nil, fmt.Errorf("the link has no link-layer header: make it without layer.ether()")
	case !s.NoHeader && p.parts != nil && p.parts[0].Row != nil && !ethernet:
		return nil, fmt.Errorf("the link has frames of Ethernet: begin with layer.ether()")
	case ethernet && p.parts != nil && p.parts[0].Values["src"] == nil && len(s.MAC) == 6:
		copy(data[6:], s.MAC)
	}
	return data, nil
}
