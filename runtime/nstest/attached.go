package nstest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What hangs on links and is in none of the tables: traffic control, the groups of bridges, the multicast addresses
// that somebody gave a link, what ethtool and /sys know of it.

const tcHeader = 20 // of struct tcmsg

// tcShown are the attributes of traffic control that count: TCA_STATS, TCA_XSTATS, TCA_STATS2.
const tcShown = " 3 4 7 "

// ingressHooks are the parents of the filters of a clsact or ingress qdisc.
var ingressHooks = []uint32{0xffff0000, 0xfffffff1, 0xfffffff2, 0xfffffff3}

// attached prints all of it, for the links of a dump.
func (c *conn) attached(b *strings.Builder, ns string, links [][]byte) error {
	qdiscs, err := c.dump(unix.RTM_GETQDISC, make([]byte, tcHeader))
	if err != nil {
		return fmt.Errorf("dump of qdiscs: %w", err)
	}
	var lines []string
	for _, l := range links {
		index, name := number(l[4:]), string(find(l, 16, unix.IFLA_IFNAME))
		name = strings.TrimRight(name, "\x00")
		var handles []uint32
		for _, q := range qdiscs {
			// One without a handle is the kernel's default.
			if handle := number(q[8:]); number(q[4:]) == index && handle != 0 {
				handles = append(handles, handle)
				lines = append(lines, tcLine(ns, "qdisc", q))
			}
		}
		more, err := c.classesAndFilters(ns, index, handles)
		if err != nil {
			return err
		}
		lines = append(lines, more...)
		lines = append(lines, ethtool(ns, index, name)...)
	}
	groups, err := c.dump(unix.RTM_GETMDB, []byte{afBridge, 0, 0, 0, 0, 0, 0, 0})
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) { // so says a kernel that has loaded no bridge yet
		return fmt.Errorf("dump of mdb: %w", err)
	}
	for _, g := range groups {
		lines = append(lines, groupLines(ns, g)...)
	}
	given, err := os.ReadFile("/proc/thread-self/net/dev_mcast")
	if err != nil {
		return err
	}
	for l := range strings.Lines(string(given)) {
		if f := strings.Fields(l); len(f) == 5 && f[3] != "0" { // not only wanted by protocols
			lines = append(lines, fmt.Sprintf("%s maddr %s %s\n", ns, f[1], f[4]))
		}
	}
	slices.Sort(lines)
	b.WriteString(strings.Join(lines, ""))
	return sysfs(b, ns)
}

func (c *conn) classesAndFilters(ns string, index uint32, handles []uint32) (lines []string, err error) {
	if len(handles) == 0 {
		return nil, nil
	}
	ask := make([]byte, tcHeader)
	binary.NativeEndian.PutUint32(ask[4:], index)
	classes, err := c.dump(unix.RTM_GETTCLASS, ask)
	if err != nil {
		return nil, fmt.Errorf("dump of classes: %w", err)
	}
	for _, m := range classes {
		lines = append(lines, tcLine(ns, "class", m))
	}
	for _, parent := range slices.Concat(handles, ingressHooks) {
		binary.NativeEndian.PutUint32(ask[12:], parent)
		filters, err := c.dump(unix.RTM_GETTFILTER, ask)
		if err != nil && err != syscall.EINVAL && err != syscall.EOPNOTSUPP { // it has no filters there
			return nil, fmt.Errorf("dump of filters: %w", err)
		}
		for _, m := range filters {
			if index := find(m, tcHeader, 11); index == nil || number(m[4:]) != 0xffffffff { // TCA_CHAIN
				lines = append(lines, tcLine(ns, "filter", m))
			}
		}
	}
	return slices.Compact(lines), nil
}

// tcLine prints a qdisc, class or filter without counters. The last part of a qdisc's header counts who uses it.
func tcLine(ns, what string, m []byte) string {
	head := slices.Clone(m[:tcHeader])
	switch {
	case what == "qdisc":
		clear(head[16:])
	case what == "filter" && text(find(m, tcHeader, 1)) == "u32":
		unnumbered(head[8:])
	}
	line := fmt.Sprintf("%s %s %d %x", ns, what, number(m[4:]), head)
	for _, a := range attributes(m, tcHeader) {
		switch {
		case strings.Contains(tcShown, " "+strconv.Itoa(a.typ)+" "):
		case what == "filter" && a.typ == 2: // TCA_OPTIONS
			line += " options" + filterOptions(a.value)
		case what == "qdisc" && a.typ == 2 && text(find(m, tcHeader, 1)) == "htb" && len(a.value) >= 24:
			// Its struct tc_htb_glob ends with a count of packets.
			line += fmt.Sprintf(" options=%x", slices.Concat(a.value[:20], a.value[24:]))
		default:
			line += fmt.Sprintf(" %d=%s", a.typ, text(a.value))
		}
	}
	return line + "\n"
}

// unnumbered takes the number out of a handle that the kernel gave the hash table which a priority of u32 begins with:
// the next one that is free.
func unnumbered(handle []byte) {
	if h := number(handle); h >= 0x80000000 {
		binary.NativeEndian.PutUint32(handle, h&0x800fffff)
	}
}

// filterOptions prints a u32 filter's options without counters (TCA_U32_PCNT), and its actions without theirs and
// without the times at which they were used (TCA_ACT_STATS, and TCA_MIRRED_TM and its likes).
func filterOptions(options []byte) (line string) {
	for _, o := range attributes(options, 0) {
		switch o.typ {
		case 9:
		case 7: // TCA_U32_ACT
			for _, action := range attributes(o.value, 0) {
				for _, a := range attributes(action.value, 0) {
					for _, part := range attributes(a.value, 0) {
						if a.typ == 2 && part.typ != 1 {
							line += fmt.Sprintf(" action %d=%x", part.typ, part.value)
						}
					}
					if a.typ == 1 { // TCA_ACT_KIND
						line += " " + text(a.value)
					}
				}
			}
		default:
			value := slices.Clone(o.value)
			if o.typ == 2 && len(value) == 4 { // TCA_U32_HASH, and of other kinds what is no such number
				unnumbered(value)
			}
			line += fmt.Sprintf(" %d=%x", o.typ, value)
		}
	}
	return line
}

// groupLines prints a bridge's entries that stay (MDB_PERMANENT). struct br_mdb_entry is index, state, flags, vid,
// address.
func groupLines(ns string, msg []byte) (lines []string) {
	for _, a := range attributes(msg, 8) {
		if a.typ != 1 { // MDBA_MDB
			continue
		}
		for _, entry := range attributes(a.value, 0) {
			for _, info := range attributes(entry.value, 0) {
				if len(info.value) >= 28 && info.value[4] == 1 {
					lines = append(lines, fmt.Sprintf("%s mdb %d %x\n", ns, number(msg[4:]), info.value[:28]))
				}
			}
		}
	}
	return lines
}

// ethtool prints the features that are active, and how many queues are in use.
func ethtool(ns string, index uint32, name string) (lines []string) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return []string{fmt.Sprintf("%s ethtool: %v\n", ns, err)}
	}
	defer unix.Close(fd)
	for _, q := range []struct {
		name     string
		cmd      uint32
		size     int
		from, to int // of what is printed
	}{{"features", unix.ETHTOOL_GFEATURES, 8 + 4*16, 8, 8 + 4*16}, {"channels", unix.ETHTOOL_GCHANNELS, 36, 20, 36}} {
		data := make([]byte, q.size)
		binary.NativeEndian.PutUint32(data, q.cmd)
		if q.cmd == unix.ETHTOOL_GFEATURES {
			binary.NativeEndian.PutUint32(data[4:], 4) // blocks
		}
		var req struct {
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [16]byte
		}
		copy(req.name[:], name)
		req.data = unsafe.Pointer(&data[0])
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
		if errno == 0 {
			lines = append(lines, fmt.Sprintf("%s ethtool %d %s %x\n", ns, index, q.name, data[q.from:q.to]))
		}
	}
	return lines
}

// sysfs prints what only /sys knows of links. A new one is of the namespace of the thread that asks for it; it is
// mounted nowhere.
func sysfs(b *strings.Builder, ns string) error {
	fs, err := unix.Fsopen("sysfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return fmt.Errorf("open sysfs: %w", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return fmt.Errorf("make sysfs: %w", err)
	}
	root, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY)
	if err != nil {
		return fmt.Errorf("mount sysfs: %w", err)
	}
	defer unix.Close(root)
	net := fmt.Sprintf("/proc/thread-self/fd/%d/class/net/", root)
	links, err := os.ReadDir(net)
	if err != nil {
		return err
	}
	var lines []string
	for _, l := range links {
		folder := net + l.Name() + "/"
		index, err := os.ReadFile(folder + "ifindex")
		if err != nil {
			continue // it has just gone
		}
		files := []string{"gro_flush_timeout", "napi_defer_hard_irqs", "threaded"}
		queues, _ := os.ReadDir(folder + "queues")
		for _, q := range queues {
			for _, file := range []string{"rps_cpus", "rps_flow_cnt", "xps_cpus", "tx_maxrate"} {
				files = append(files, "queues/"+q.Name()+"/"+file)
			}
		}
		for _, file := range files {
			if v, err := os.ReadFile(folder + file); err == nil { // not every link has each
				lines = append(lines,
					fmt.Sprintf("%s sys %s %s=%s\n", ns, bytes.TrimSpace(index), file, bytes.TrimSpace(v)))
			}
		}
	}
	slices.Sort(lines) // its folders are in no order
	b.WriteString(strings.Join(lines, ""))
	return nil
}
