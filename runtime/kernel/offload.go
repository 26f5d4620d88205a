package kernel

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// An Offload is what a link leaves to its device, or does for it (ethtool(8), -k).
type Offload struct {
	Name      string // the kernel's: "tx-tcp-segmentation"
	Available bool   // it can be changed
	Requested bool   // it was asked for
	Active    bool   // it is on
}

const (
	featureSet    = 4  // ETH_SS_FEATURES of linux/ethtool.h
	featureString = 32 // ETH_GSTRING_LEN
)

// Offloads lists those that the kernel knows, of a link. One whose driver has none of them has an empty list.
func (m *Machine) Offloads(l LinkRef) ([]Offload, error) {
	n, _, err := m.find(l)
	if err != nil {
		return nil, fail(err, "read offloads of link", l.Name, n)
	}
	now, err := m.Read(l)
	if err != nil {
		return nil, err
	}
	all, err := n.offloads(now.Name)
	return all, fail(err, "read offloads of link", l.Name, n)
}

func (n *Namespace) offloads(name string) (all []Offload, err error) {
	if _, err := n.socket(); err != nil {
		return nil, err
	}
	names := make([]byte, 12+32*featureBlocks*featureString) // struct ethtool_gstrings
	binary.NativeEndian.PutUint32(names, unix.ETHTOOL_GSTRINGS)
	binary.NativeEndian.PutUint32(names[4:], featureSet)
	features := make([]byte, 8+16*featureBlocks) // struct ethtool_gfeatures
	binary.NativeEndian.PutUint32(features, unix.ETHTOOL_GFEATURES)
	binary.NativeEndian.PutUint32(features[4:], featureBlocks)
	for _, data := range [][]byte{names, features} {
		if errno := n.toolCall(name, data); errno == unix.EOPNOTSUPP {
			return nil, nil
		} else if errno != 0 {
			return nil, errno
		}
	}
	bit := func(i, field int) bool { // of the fields available, requested, active
		word := binary.NativeEndian.Uint32(features[8+16*(i/32)+4*field:])
		return word>>(i%32)&1 != 0
	}
	for i := range min(int(binary.NativeEndian.Uint32(names[8:])), 32*featureBlocks) {
		at := 12 + i*featureString
		if name := unix.ByteSliceToString(names[at : at+featureString]); name != "" {
			all = append(all, Offload{name, bit(i, 0), bit(i, 1), bit(i, 2)})
		} else {
			all = append(all, Offload{})
		}
	}
	return all, nil
}

// SetOffloads asks for some of a link's offloads, or for their end, by their names.
func (m *Machine) SetOffloads(l LinkRef, set map[string]bool) error {
	const op = "set offloads of link"
	n, _, err := m.find(l)
	if err != nil {
		return fail(err, op, l.Name, n)
	}
	now, err := m.Read(l)
	if err != nil {
		return err
	}
	all, err := n.offloads(now.Name)
	if err != nil {
		return fail(err, op, l.Name, n)
	}
	data := make([]byte, 8+8*featureBlocks) // struct ethtool_sfeatures: of each block, which, and how
	binary.NativeEndian.PutUint32(data, unix.ETHTOOL_SFEATURES)
	binary.NativeEndian.PutUint32(data[4:], featureBlocks)
	missing := len(set)
	for i, o := range all {
		on, given := set[o.Name]
		if !given {
			continue
		}
		missing--
		if !o.Available && o.Requested != on {
			return fail(fmt.Errorf("%w: its driver does not let %s change", unix.EOPNOTSUPP, o.Name), op, l.Name, n)
		}
		block := data[8+8*(i/32):]
		binary.NativeEndian.PutUint32(block, binary.NativeEndian.Uint32(block)|1<<(i%32))
		if on {
			binary.NativeEndian.PutUint32(block[4:], binary.NativeEndian.Uint32(block[4:])|1<<(i%32))
		}
	}
	if missing > 0 {
		return fail(fmt.Errorf("%w: this kernel does not know all of %v", unix.EOPNOTSUPP, set), op, l.Name, n)
	}
	// The kernel asks for as many blocks as it has.
	blocks := (len(all) + 31) / 32
	binary.NativeEndian.PutUint32(data[4:], uint32(blocks))
	if errno := n.toolCall(now.Name, data[:8+8*blocks]); errno != 0 {
		return fail(errno, op, l.Name, n)
	}
	return nil
}
