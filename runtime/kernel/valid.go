package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// The Valid methods hold what was read from a journal against what nsscript writes, before anything of it is acted on.
// What they cannot know is whether an identity is the run's own: an op's Undo looks at that.

// Valid says what is wrong with a reference: it must identify a namespace, and its path must mean the same to every
// process.
func (r NSRef) Valid() error {
	switch {
	case r.Cookie == 0:
		return errors.New("a namespace has no cookie")
	case r.Path != "" && (!filepath.IsAbs(r.Path) || filepath.Clean(r.Path) != r.Path || strings.Contains(r.Path, "\x00")):
		return fmt.Errorf("a namespace has the path %q", r.Path)
	case strings.ContainsAny(r.Name, "/\x00"):
		return fmt.Errorf("a namespace has the name %q", r.Name)
	case strings.Trim(r.Token, "0123456789abcdefghijklmnopqrstuvwxyz") != "":
		return fmt.Errorf("a namespace has the token %q", r.Token)
	}
	return nil
}

// Named says what is wrong with the path of a namespace that has, had or will have a name: it must be a file in
// /run/netns and nowhere else.
func (r NSRef) Named() error {
	if filepath.Dir(r.Path) != netnsDir || filepath.Clean(r.Path) != r.Path {
		return fmt.Errorf("%q is no name in %s", r.Path, netnsDir)
	}
	return nil
}

// Valid says what is wrong with a reference: its index must be one that the kernel gives, and its name one that the
// kernel takes (dev_valid_name in net/core/dev.c), which is more than a script may choose.
func (r LinkRef) Valid() error {
	if err := validIndex(r.Index); err != nil {
		return err
	}
	if r.Gen < 0 {
		return fmt.Errorf("%d links cannot have been moved away", r.Gen)
	}
	return validDevName(r.Name)
}

func validIndex(index int) error {
	if index < 1 || index > math.MaxInt32 {
		return fmt.Errorf("%d is no index of a link", index)
	}
	return nil
}

func validDevName(name string) error {
	if name == "" || len(name) > 15 || name == "." || name == ".." || strings.ContainsAny(name, "/: \t\n\v\f\r\x00") {
		return fmt.Errorf("%q is no name of a link", name)
	}
	return nil
}

// Valid says what is wrong with a link that was to be made.
func (l LinkSpec) Valid() error {
	if err := l.LinkRef.Valid(); err != nil {
		return err
	}
	if _, err := net.ParseMAC(l.MAC); l.MAC != "" && err != nil {
		return err
	}
	if l.MTU < 0 || l.MTU > math.MaxInt32 {
		return fmt.Errorf("%d is no mtu", l.MTU)
	}
	return nil
}

// Valid says what is wrong with an address.
func (a Addr) Valid() error {
	if !a.Prefix.IsValid() || a.Peer.IsValid() && a.Peer.Addr().Is4() != a.Prefix.Addr().Is4() {
		return fmt.Errorf("%s, with %s at the other end, is no address of a link", a.Prefix, a.Peer)
	}
	return nil
}

// maxHops bounds the ways of a route: the attribute that they go in has no room for twice as many.
const maxHops = 512

// Valid says what is wrong with a route.
func (r Route) Valid() error {
	switch {
	case !r.Dst.IsValid():
		return errors.New("a route has no destination")
	case r.Type != "" && routeTypes[r.Type] == 0:
		return fmt.Errorf("a route has the type %q", r.Type)
	case r.Table < 0 || r.Table > math.MaxUint32:
		return fmt.Errorf("table %d is not from 0 to %d", r.Table, uint32(math.MaxUint32))
	case r.Metric < 0 || r.Metric > math.MaxUint32:
		return fmt.Errorf("metric %d is not from 0 to %d", r.Metric, uint32(math.MaxUint32))
	case r.Src.Zone() != "":
		return fmt.Errorf("source %s has a zone", r.Src)
	case len(r.Nexthops) > maxHops:
		return fmt.Errorf("%d nexthops are more than %d", len(r.Nexthops), maxHops)
	}
	for _, h := range r.Nexthops {
		if h.Weight < 0 || h.Weight > 256 {
			return fmt.Errorf("weight %d is not from 1 to 256", h.Weight)
		}
		if h.Via.Zone() != "" {
			return fmt.Errorf("gateway %s has a zone: name its link with dev=", h.Via)
		}
	}
	return nil
}

// Complete says what an image lacks that is to make a link anew.
func (img *Image) Complete() error {
	for _, a := range append([]string{"up"}, attrOrder...) {
		if _, ok := img.Attrs[a]; !ok {
			return fmt.Errorf("the image of link %s lacks its %s", img.Link.Name, a)
		}
	}
	return nil
}

// Valid says what is wrong with an image: everything in it must be of its link, since it is sent to the kernel as it is.
func (img *Image) Valid() error {
	for _, a := range append([]string{"up"}, attrOrder...) {
		value, ok := img.Attrs[a]
		if !ok {
			continue // see Only
		}
		if err := ValidAttr(a, value); err != nil {
			return fmt.Errorf("the image of link %s: %w", img.Link.Name, err)
		}
	}
	if err := validParts(img.Parts, onLink, img.Link.Index); err != nil {
		return fmt.Errorf("the image of link %s has %w", img.Link.Name, err)
	}
	for k := range img.Sysctls {
		dir, key, ok := strings.Cut(k, "//")
		if !ok || !slices.Contains(linkDirs, dir) || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return fmt.Errorf("the image of link %s has the sysctl %q", img.Link.Name, k)
		}
	}
	for _, name := range img.Altnames {
		if name == "" || len(name) > maxAltname || strings.ContainsAny(name, "/: \t\n\v\f\r\x00") {
			return fmt.Errorf("the image of link %s has the altname %q", img.Link.Name, name)
		}
	}
	for _, u := range img.Unheld {
		if err := u.Link.Valid(); err != nil {
			return err
		}
	}
	return validAttrs(img.Info)
}

// Valid says what is wrong with a bridge's port.
func (p Port) Valid() error {
	if err := p.LinkRef.Valid(); err != nil {
		return err
	}
	if err := validParts(p.Parts, onPort, p.Index); err != nil {
		return fmt.Errorf("port %s has %w", p.Name, err)
	}
	return validAttrs(p.Info)
}

// ValidAttr says what is wrong with the value of a link's attribute, in SetLink's words.
func ValidAttr(attr, value string) error {
	bad := false
	switch attr {
	case "name":
		return validDevName(value)
	case "up":
		bad = value != "on" && value != "off"
	case "mac":
		bad = len(value) > 3*32 || // MAX_ADDR_LEN
			strings.Trim(value, "0123456789abcdef:") != ""
	case "alias":
		if len(value) > 255 || strings.Contains(value, "\x00") {
			return fmt.Errorf("alias of %d bytes: up to 255 are allowed (IFALIASZ), and no zero bytes", len(value))
		}
	case "mtu", "txqlen", "group", "master", "flags":
		_, err := strconv.ParseUint(value, 10, 32)
		bad = err != nil
	default:
		return fmt.Errorf("a link has no attribute %q", attr)
	}
	if bad {
		return fmt.Errorf("%q is no %s of a link", value, attr)
	}
	return nil
}

// validMsg checks that a message is a header with whole attributes behind it, and nothing else.
func validMsg(msg []byte, header int) error {
	if len(msg) < header {
		return fmt.Errorf("a message of %d bytes is too short", len(msg))
	}
	return validAttrs(msg[header:])
}

func validAttrs(attrs []byte) error {
	if len(attrs) > rtnl.MaxReply {
		return fmt.Errorf("attributes of %d bytes are too many", len(attrs))
	}
	end := 0
	for at := range rtnl.Attrs(attrs, 0) {
		end = at + (int(binary.NativeEndian.Uint16(attrs[at:]))+3)&^3
	}
	if end < len(attrs) {
		return fmt.Errorf("there is no attribute at byte %d", end)
	}
	return nil
}
