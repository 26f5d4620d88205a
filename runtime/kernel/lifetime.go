package kernel

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// Lifetimes of addresses, and the expiry of IPv6 routes, run on between the saving of an image and its restoring, as
// they would have without the run.

// clock is the time that lifetimes are counted by, in milliseconds. It is one for all processes until the next boot.
func clock() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0 // it fails for a bad pointer only
	}
	return ts.Nano() / 1e6
}

// aged is the image as it would be by now: what has ended meanwhile is not in it.
func (img *Image) aged() *Image {
	img = img.Clone()
	past := max(clock()-img.Saved, 0)
	if img.Saved == 0 {
		past = 0
	}
	age := func(all [][]byte, one func([]byte, int64) []byte) (left [][]byte) {
		for _, msg := range all {
			if msg = one(msg, past); msg != nil {
				left = append(left, msg)
			}
		}
		return left
	}
	for t, one := range map[*Table]func([]byte, int64) []byte{addrTable: agedAddr, routeTable: agedRoute} {
		if all := img.Parts[t.Name]; all != nil {
			img.Parts[t.Name] = age(all, one)
		}
	}
	return img
}

// forever is INFINITY_LIFE_TIME of linux/if_addr.h.
const forever = 1<<32 - 1

// agedAddr is an address's message with what is left of its lifetimes after some milliseconds, nil when it is over.
func agedAddr(msg []byte, past int64) []byte {
	msg = slices.Clone(msg)
	info := rtnl.Attr(msg, unix.SizeofIfAddrmsg, unix.IFA_CACHEINFO) // struct ifa_cacheinfo: preferred, valid, ...
	if len(info) < 8 {
		return msg
	}
	for _, at := range []int{0, 4} {
		if left := int64(binary.NativeEndian.Uint32(info[at:])); left != forever {
			left = max(left-past/1000, 0)
			if at == 4 && left == 0 {
				return nil
			}
			binary.NativeEndian.PutUint32(info[at:], uint32(left))
		}
	}
	return msg
}

// expiry is where in struct rta_cacheinfo the time stands after which an IPv6 route goes: in hundredths of a second, 0
// for never, and less when the kernel is about to delete it.
const expiry = 8

// agedRoute is a route's message with what is left of its time after some milliseconds, nil when that is over.
func agedRoute(raw []byte, past int64) []byte {
	raw = slices.Clone(raw)
	left := expires(raw)
	if left == 0 {
		return raw
	}
	if left -= past * userHZ / 1000; left <= 0 {
		return nil
	}
	binary.NativeEndian.PutUint32(rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_CACHEINFO)[expiry:], uint32(left))
	return raw
}

// expires is when an IPv6 route goes by itself, in the unit of expiry.
func expires(raw []byte) int64 {
	info := rtnl.Attr(raw, unix.SizeofRtMsg, unix.RTA_CACHEINFO)
	if len(raw) == 0 || raw[0] != unix.AF_INET6 || len(info) < expiry+4 {
		return 0
	}
	return int64(int32(binary.NativeEndian.Uint32(info[expiry:])))
}

// routeAsItWas is the message that adds a route as another one says it was.
func routeAsItWas(raw []byte) rtnl.Raw {
	msg := plainRoute(raw)
	if left := expires(raw); left > 0 {
		// RTA_EXPIRES takes whole seconds.
		msg = binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(msg, 8), unix.RTA_EXPIRES)
		msg = binary.NativeEndian.AppendUint32(msg, uint32((left+userHZ-1)/userHZ))
	}
	return msg
}
