package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// toolQuestions are what is asked of ethtool(8)'s interface, and where in the answer (linux/ethtool.h) stands what can
// be set.
var toolQuestions = []struct {
	name        string
	command     uint32
	size        int
	first, last int
}{
	{"features", unix.ETHTOOL_GFEATURES, 8 + 16*featureBlocks, 8, 8 + 16*featureBlocks},
	{"channels", unix.ETHTOOL_GCHANNELS, 36, 20, 36},
}

// featureBlocks is how many times 32 features are asked for; the kernel says of none that it does not have.
const featureBlocks = 4

// ethtool is what a link's driver can be set to. What it has nothing to say of is left out.
func (n *Namespace) ethtool(name string) (map[string][]byte, error) {
	answers := map[string][]byte{}
	for _, q := range toolQuestions {
		data := make([]byte, q.size)
		binary.NativeEndian.PutUint32(data, q.command)
		if q.command == unix.ETHTOOL_GFEATURES {
			binary.NativeEndian.PutUint32(data[4:], featureBlocks)
		}
		errno := n.toolCall(name, data)
		switch {
		case errno == unix.EOPNOTSUPP:
		case errno != 0:
			return nil, errno
		default:
			answers[q.name] = data[q.first:q.last]
		}
	}
	if f := answers["features"]; f != nil {
		answers["features"] = requested(f)
	}
	return answers, nil
}

// toolCall makes one request of ethtool(8)'s interface about a link: data has the command and is where the answer is.
func (n *Namespace) toolCall(name string, data []byte) unix.Errno {
	var req struct { // struct ifreq
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(req.name[:], name)
	req.data = unsafe.Pointer(&data[0])
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(n.conn.FD()), unix.SIOCETHTOOL,
		uintptr(unsafe.Pointer(&req)))
	return errno
}

// requested keeps of a struct ethtool_get_features_block (available, requested, active, never_changed) what the link
// was asked for, whether it can have it at the moment or not.
func requested(blocks []byte) (all []byte) {
	for b := range slices.Chunk(blocks, 16) {
		all = append(all, b[4:8]...)
	}
	return all
}

// givenOffloads are the answers in which a link is other than a new link of its kind.
func givenOffloads(at *subject) (found []string, err error) {
	s, err := at.m.sample(at.l.Kind, infoOf(at.raw))
	if s == nil {
		return nil, err
	}
	have, err := at.n.ethtool(at.l.Name)
	for name, want := range s.tool {
		if err == nil && !bytes.Equal(have[name], want) {
			found = append(found, "ethtool "+name)
		}
	}
	return found, err
}

// givenQueues are the files of a link's queues in which it is other than a new link of its kind: rps_cpus and the like.
func givenQueues(at *subject) (found []string, err error) {
	s, err := at.m.sample(at.l.Kind, infoOf(at.raw))
	if s == nil {
		return nil, err
	}
	var have map[string]string
	err = at.n.Do(func() (err error) {
		have, err = queueFiles(at.l.Name)
		return err
	})
	for _, file := range slices.Sorted(maps.Keys(have)) {
		if want, ok := s.queues[file]; ok && want != have[file] {
			found = append(found, file)
		}
	}
	return found, err
}

// queueFiles reads what /sys has to be set of a link's queues, in the namespace of the thread: a sysfs is of the
// namespace that it was made in, so one is made, and mounted nowhere. Who may not do that could not have set anything
// either.
func queueFiles(name string) (map[string]string, error) {
	fs, err := unix.Fsopen("sysfs", unix.FSOPEN_CLOEXEC)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOSYS) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer unix.Close(fs)
	root := -1
	if err = unix.FsconfigCreate(fs); err == nil {
		root, err = unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY)
	}
	if errors.Is(err, unix.EPERM) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer unix.Close(root)
	files := map[string]string{}
	dir := "/proc/thread-self/fd/" + strconv.Itoa(root) + "/class/net/" + name
	for _, pattern := range []string{"queues/*/*", "gro_flush_timeout", "napi_defer_hard_irqs", "threaded"} {
		for _, path := range glob(dir + "/" + pattern) {
			st, err := os.Stat(path)
			if err != nil || !st.Mode().IsRegular() || st.Mode()&0o200 == 0 {
				continue
			}
			value, err := os.ReadFile(path)
			if err != nil {
				continue // such as traffic_class, of a link that has none
			}
			if file, err := filepath.Rel(dir, path); err == nil {
				files[file] = strings.TrimSpace(string(value))
			}
		}
	}
	return files, nil
}
