package kernel

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// message is a header, of a family, with one attribute.
func message(header, typ int, value ...uint32) []byte {
	msg := make([]byte, header)
	msg[0] = unix.AF_INET6
	msg = binary.NativeEndian.AppendUint16(msg, uint16(4+4*len(value)))
	msg = binary.NativeEndian.AppendUint16(msg, uint16(typ))
	for _, v := range value {
		msg = binary.NativeEndian.AppendUint32(msg, v)
	}
	return msg
}

// TestAged ages an image: what has a time left has less of it, what has none has gone, what has no end has none.
func TestAged(t *testing.T) {
	addr := func(preferred, valid uint32) []byte {
		return message(unix.SizeofIfAddrmsg, unix.IFA_CACHEINFO, preferred, valid, 0, 0)
	}
	route := func(expires int32) []byte {
		return message(unix.SizeofRtMsg, unix.RTA_CACHEINFO, 0, 0, uint32(expires), 0)
	}
	img := (&Image{Saved: clock() - 10_000,
		Parts: map[string][][]byte{"addr": {addr(forever, forever), addr(5, 100), addr(5, 9), addr(forever, 100)},
			"route": {route(0), route(900), route(9000), route(-1)}}}).aged()
	var got [][2]uint32
	for _, a := range img.addrs() {
		info := rtnl.Attr(a, unix.SizeofIfAddrmsg, unix.IFA_CACHEINFO)
		got = append(got, [2]uint32{binary.NativeEndian.Uint32(info), binary.NativeEndian.Uint32(info[4:])})
	}
	if len(got) != 3 || got[0] != [2]uint32{forever, forever} || got[1][0] != 0 || got[1][1] > 90 || got[1][1] < 80 ||
		got[2][0] != forever {
		t.Errorf("addresses have %v seconds left", got)
	}
	if len(img.routes()) != 2 || expires(img.routes()[0]) != 0 {
		t.Fatalf("%d routes are left, want 2", len(img.routes()))
	}
	left := rtnl.Uint32(routeAsItWas(img.routes()[1]), unix.SizeofRtMsg, unix.RTA_EXPIRES)
	if left > 80 || left < 70 {
		t.Errorf("the route is added for %d seconds, want 80", left)
	}
	if rtnl.Attr(routeAsItWas(img.routes()[0]), unix.SizeofRtMsg, unix.RTA_EXPIRES) != nil {
		t.Error("a route that stays is added for some time")
	}
}
