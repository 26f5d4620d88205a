package builtins

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// A record is a change as a journal has it.
type record struct{ kind, data string }

// plant writes a journal of a dead run, with right checksums, whatever is in it.
func plant(t *testing.T, name string, records ...record) *lab.Labs {
	t.Helper()
	m, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	boot, err := kernel.BootID()
	if err != nil {
		t.Fatal(err)
	}
	log, err := journal.OpenDir(journal.DefaultDir).Create(journal.Header{Name: name, Boot: boot,
		HostNS: m.Host().Ref().Cookie})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if _, err := log.Intent(r.kind, json.RawMessage(r.data), "x.star:1:1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return lab.Open(All().Ops, "")
}

// unplant removes it again.
func unplant(t *testing.T, name string) {
	t.Helper()
	dir := filepath.Join(journal.DefaultDir, name)
	if err := errors.Join(os.Remove(dir+"/journal"), os.Remove(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(journal.DefaultDir); err != nil && !errors.Is(err, syscall.ENOTEMPTY) {
		t.Fatal(err)
	}
}

// victims are what a hostile journal aims at, and how to see that nothing happened to it.
type victims struct {
	dir   string // outside of all that nsscript works with
	words *strings.Replacer
}

func newVictims(t *testing.T) victims {
	t.Helper()
	v := victims{dir: t.TempDir()}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"netns", "add", "decoy"},
		{"link", "add", "decoy0", "type", "veth", "peer", "name", "decoy1"},
		{"link", "set", "decoy0", "addrgenmode", "none"}, {"link", "set", "decoy1", "addrgenmode", "none"},
		{"link", "set", "decoy0", "up"}, {"link", "set", "decoy1", "up"},
		{"addr", "add", "10.66.0.1/24", "dev", "decoy0"}} {
		nstest.IP(t, args...)
	}
	// A file that says what the file below a run's namespace says, and a namespace's mount that is somebody else's.
	must(os.WriteFile(v.dir+"/token", []byte("nsscript tok\n"), 0o644))
	must(os.WriteFile(v.dir+"/empty", nil, 0o644))
	must(os.WriteFile(v.dir+"/mount", nil, 0o644))
	must(syscall.Mount("/run/netns/decoy", v.dir+"/mount", "", syscall.MS_BIND, ""))
	must(os.WriteFile("/run/netns/file", []byte("somebody's\n"), 0o644))
	must(syscall.Mkfifo(v.dir+"/fifo", 0o600))
	t.Cleanup(func() {
		nstest.TryIP(t, "link", "del", "decoy0")
		nstest.TryIP(t, "netns", "del", "decoy")
		for _, err := range []error{os.Remove("/run/netns/file"), syscall.Unmount(v.dir+"/mount", 0)} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	m, err := kernel.Open()
	must(err)
	defer m.Close()
	n, err := m.OpenName("decoy")
	must(err)
	l, err := m.Host().Link("decoy0")
	must(err)
	img, err := m.Image(l.LinkRef)
	must(err)
	image, err := json.Marshal(img)
	must(err)
	// What programs may have put into a folder of a namespace's.
	files := fmt.Sprintf("%s/.files-%d", journal.DefaultDir, n.Ref().Cookie)
	must(os.MkdirAll(files, 0o700))
	must(os.WriteFile(files+"/out-x", nil, 0o644))
	must(os.Symlink(v.dir, files+"/out"))
	t.Cleanup(func() {
		if err := os.RemoveAll(journal.DefaultDir); err != nil {
			t.Error(err)
		}
	})
	host := fmt.Sprintf(`{"cookie":%d}`, m.Host().Ref().Cookie)
	v.words = strings.NewReplacer("HOST", host, "JOB", `{"path":"x","args":["x"],"stop":15}`, "COOKIE",
		fmt.Sprint(n.Ref().Cookie), "WRAPS", fmt.Sprint(1<<32+l.Index), "DIR", v.dir, "FILE",
		fmt.Sprintf(`"ns":{"cookie":%d},"path":"/etc/x","mode":420,"kept":"%s"`, n.Ref().Cookie, files),
		"SEEN", fmt.Sprintf(`"ns":{"cookie":%d},"path":"/etc/x","mode":420`, n.Ref().Cookie), "LINK",
		fmt.Sprintf(`{"ns":%s,"index":%d,"name":"decoy0"}`, host, l.Index), "IMAGE", string(image))
	nstest.Settled(t, []string{"decoy0", "decoy1"}, nil)
	return v
}

// state is all that must not change.
func (v victims) state(t *testing.T) string {
	t.Helper()
	s := nstest.Snapshot(t, "", "decoy")
	for _, dir := range []string{v.dir, "/run"} {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil {
				info, e := d.Info()
				if err = e; err == nil && !d.IsDir() {
					s += fmt.Sprintln(path, info.Mode(), info.Size())
				} else if err == nil {
					s += fmt.Sprintln(path, info.Mode())
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return s + string(mounts)
}

// hostile are ops that no nsscript writes, and what is said of them.
var hostile = []struct {
	want string
	record
}{
	{`is a "rm -rf", which this nsscript does not know`, record{"rm -rf", `{}`}},
	{"it is no object", record{"netns add", `null`}},
	{"it is no object", record{"netns add", `[]`}},
	{"it is no object", record{"netns add", `"x"`}},
	{"unknown field", record{"netns add", `{"name":"n","evil":1}`}},
	{"unknown field", record{"addr add", `{"link":{"ns":HOST,"index":1,"name":"lo","evil":1},"prefix":"127.0.9.9/8"}`}},
	{"cannot unmarshal", record{"netns add", `{"name":7}`}},
	{"cannot unmarshal", record{"netns add", `{"name":"n","ns":[]}`}},
	{"cannot unmarshal", record{"netns add", `{"name":"n","ns":{"cookie":-1}}`}},
	{"cannot unmarshal", record{"netns add", `{"name":"n","ns":{"cookie":1e30}}`}},
	{"no cookie", record{"netns add", `{"name":"n"}`}},

	{"no name in /run/netns",
		record{"netns add", `{"name":"token","ns":{"cookie":COOKIE,"name":"token","path":"DIR/token","token":"tok"}}`}},
	{"no name in /run/netns",
		record{"netns add", `{"name":"mount","ns":{"cookie":COOKIE,"name":"mount","path":"DIR/mount"}}`}},
	{"no name in /run/netns",
		record{"netns add", `{"name":"n","ns":{"cookie":COOKIE,"name":"n","path":"/etc/passwd"}}`}},
	{"no name in /run/netns", record{"netns add", `{"name":"n","ns":{"cookie":COOKIE,"name":"n"}}`}},
	{"no name in /run/netns",
		record{"netns add", `{"name":"n","ns":{"cookie":COOKIE,"name":"n","path":"/run/netns"}}`}},
	{"no name in /run/netns",
		record{"netns add", `{"name":"n","ns":{"cookie":COOKIE,"name":"n","path":"/run/netns/a/b"}}`}},
	{"has the path", record{"netns add",
		`{"name":"n","ns":{"cookie":COOKIE,"name":"n","path":"/run/netns/../../etc/passwd"}}`}},
	{"has the path", record{"netns add", `{"name":"n","ns":{"cookie":COOKIE,"name":"n","path":"run/netns/n"}}`}},
	{"has the path", record{"netns add", `{"name":"n","ns":{"cookie":COOKIE,"name":"n","path":"/run/netns/n\u0000"}}`}},
	{"has the token", record{"netns add",
		`{"name":"n","ns":{"cookie":COOKIE,"name":"n","path":"/run/netns/n","token":"a\nb"}}`}},
	{"has the name", record{"netns add", `{"name":"../x","ns":{"cookie":COOKIE,"name":"../x","path":"/run/netns/x"}}`}},
	{"the first character",
		record{"netns add", `{"name":"..","ns":{"cookie":COOKIE,"name":"..","path":"/run/netns/x"}}`}},
	{"is called", record{"netns add", `{"name":"n","ns":{"cookie":COOKIE,"name":"decoy","path":"/run/netns/decoy"}}`}},
	{"left as it is", record{"netns add",
		`{"name":"decoy","ns":{"cookie":1,"name":"decoy","path":"/run/netns/decoy"}}`}},
	{"left as it is", record{"netns add",
		`{"name":"file","ns":{"cookie":1,"name":"file","path":"/run/netns/file","token":"tok"}}`}},
	{"no name in /run/netns", record{"netns del", `{"ns":{"cookie":COOKIE,"name":"n","path":"DIR/empty"}}`}},
	{"no name in /run/netns", record{"netns del", `{"ns":HOST}`}},

	{"0 is no index", record{"link add",
		`{"kind":"veth","ns":HOST,"index":0,"name":"a","peer":{"ns":HOST,"index":5,"name":"b"}}`}},
	{"-1 is no index", record{"link add",
		`{"kind":"veth","ns":HOST,"index":99,"name":"a","peer":{"ns":HOST,"index":-1,"name":"b"}}`}},
	{"is no index", record{"link add", `{"kind":"bridge","ns":HOST,"index":WRAPS,"name":"a"}`}},
	{"cannot unmarshal", record{"link add", `{"kind":"bridge","ns":HOST,"index":1.5,"name":"a"}`}},
	{"is none that nsscript gives",
		record{"link add",
			`{"kind":"veth","ns":HOST,"index":2,"name":"decoy0","peer":{"ns":HOST,"index":99,"name":"b"}}`}},
	{"is none that nsscript gives",
		record{"link add", `{"kind":"bridge","ns":{"cookie":COOKIE,"path":"DIR/mount"},"index":1,"name":"lo"}`}},
	{"is no name of a link", record{"link add", `{"kind":"bridge","ns":HOST,"index":99,"name":"a/b"}`}},
	{"is no name of a link", record{"link add", `{"kind":"bridge","ns":HOST,"index":99,"name":""}`}},
	{"is no name of a link", record{"link add", `{"kind":"bridge","ns":HOST,"index":99,"name":".."}`}},
	{"is no name of a link", record{"link add", `{"kind":"bridge","ns":HOST,"index":99,"name":"sixteen-bytes-xx"}`}},
	{"is no kind of link", record{"link add", `{"ns":HOST,"index":99,"name":"a"}`}},
	{"is no kind of link", record{"link add", `{"kind":"a b","ns":HOST,"index":99,"name":"a"}`}},
	{"no attribute at byte", record{"link add", `{"kind":"bridge","data":"////","ns":HOST,"index":99,"name":"a"}`}},
	{"more than two ends",
		record{"link add",
			`{"kind":"veth","ns":HOST,"index":99,"name":"a","peer":{"ns":HOST,"index":98,"name":"b",` +
				`"peer":{"ns":HOST,"index":97,"name":"c"}}}`}},
	{"invalid MAC", record{"link add", `{"kind":"bridge","ns":HOST,"index":99,"name":"a","mac":"zz"}`}},
	{"is no mtu", record{"link add", `{"kind":"bridge","ns":HOST,"index":99,"name":"a","mtu":-1}`}},

	{"no image", record{"link del", `{"link":LINK}`}},
	{"no image", record{"addr del", `{"link":LINK,"prefix":"10.66.0.1/24"}`}},
	{"no attribute", record{"link set", `{"link":LINK,"attr":"colour","value":"red","old":""}`}},
	{"is no mtu of a link", record{"link set", `{"link":LINK,"attr":"mtu","value":"-5","old":""}`}},
	{"alias of",
		record{"link set", `{"link":LINK,"attr":"alias","value":"` + strings.Repeat("x", 70000) + `","old":""}`}},
	{"null in a list", record{"link set",
		`{"link":LINK,"attr":"mtu","value":"1500","old":"1500","image":IMAGE,"others":[null]}`}},
	{"null in a list",
		record{"sysctl", `{"ns":HOST,"key":"net.ipv4.ip_forward","value":"1","old":"0","images":[null]}`}},
	{"lacks its up", record{"link del", `{"link":LINK,"image":{"link":LINK,"kind":"veth"}}`}},
	{"is no index", record{"link set netns", `{"from":LINK,"to":{"ns":HOST,"name":"x"}}`}},

	{"netip.ParsePrefix", record{"addr add", `{"link":LINK,"prefix":"10.66.0.1/33"}`}},
	{"is no address of a link", record{"addr add", `{"link":LINK}`}},
	{"is no address of a link", record{"addr add", `{"link":LINK,"prefix":"10.66.0.1/24","peer":"fd00::1/64"}`}},
	{`there is no table "route"`, record{"rule add", `{"ns":HOST,"table":"route","msg":""}`}},
	{`there is no table ""`, record{"rule add", `{"ns":HOST,"msg":""}`}},
	{"too short", record{"rule add", `{"ns":HOST,"table":"rule","msg":"AgAAAA=="}`}},
	{"of family 7", record{"rule del", `{"ns":HOST,"table":"rule","msg":"BwAAAAAAAAAAAAAA"}`}},
	{"no attribute at byte",
		record{"rule del", `{"ns":HOST,"table":"rule","msg":"AgAAAAAAAAAAAAAA","behind":["AgAAAAAAAAAAAAAAAQE="]}`}},
	{"no cookie", record{"rule add", `{"ns":{"cookie":0},"table":"rule","msg":"AgAAAAAAAAAAAAAA"}`}},
	{"too short", record{"route add", `{"ns":HOST,"msg":"","verb":"add"}`}},
	{"of family 7", record{"route add", `{"ns":HOST,"msg":"BwAAAAAAAAAAAAAA","verb":"add"}`}},
	{"has the verb", record{"route add", `{"ns":HOST,"msg":"AgAAAAAAAAAAAAAA","verb":"flush"}`}},
	{"none of its own", record{"route del", `{"ns":HOST,"msg":"AgAAAAAAAAAAAAAACAAEAAEAAAA="}`}},
	{"in another place",
		record{"route del", `{"ns":HOST,"msg":"AgAAAAAAAAAAAAAA","was":{"routes":["AgAAEAAAAAAAAAAA"]}}`}},
	{"no cookie", record{"route add", `{"ns":{"cookie":0},"msg":"AgAAAAAAAAAAAAAA","verb":"add"}`}},

	{"too short", record{"nft", `{"ns":HOST,"text":"","before":{"gen":1,"parts":["AgA="]}}`}},
	{"adds nothing to a table", record{"nft",
		`{"ns":HOST,"text":"","before":{"gen":1,"parts":["AgIAAAAIAAEAYQAAAA=="]}}`}},
	{"no cookie", record{"nft", `{"ns":{"cookie":0},"text":"","before":{"gen":1}}`}},

	{`has ".." in it`, record{"sysctl", `{"ns":HOST,"key":"net/../kernel/core_pattern","value":"","old":"x"}`}},
	{"not below net", record{"sysctl", `{"ns":HOST,"key":"kernel.core_pattern","value":"","old":"x"}`}},
	{`has ".." in it`,
		record{"sysctl",
			`{"ns":HOST,"key":"net.ipv4.ip_forward","value":"0","old":"0","shadow":{"net/../kernel/x":"1"}}`}},
	{"lab's cgroup", record{"cgroup add", `{"path":"/sys/fs/cgroup"}`}},
	{"lab's cgroup", record{"cgroup add", `{"path":"/sys/fs/cgroup/nsscript-x/../y"}`}},

	{"folder of a process", record{"process start", `{"ns":HOST,"name":"p","service":"/run/netns","job":JOB}`}},
	{"folder of a process",
		record{"process start", `{"ns":HOST,"name":"p","service":"/run/x/../.process-y","job":JOB}`}},
	{"process name", record{"process start", `{"ns":HOST,"name":"../p","service":"/run/.process-y","job":JOB}`}},
	{"without a command",
		record{"process start", `{"ns":HOST,"name":"p","service":"/run/.process-y","job":{"path":"x","args":[]}}`}},
	{"signal 0",
		record{"process start", `{"ns":HOST,"name":"p","service":"/run/.process-y","job":{"path":"x","args":["x"]}}`}},

	{"folder of a namespace's files",
		record{"file add", `{"ns":HOST,"path":"/etc/x","mode":420,"kept":"DIR","at":"x"}`}},
	{"folder of a namespace's files", record{"file add", `{SEEN,"kept":"DIR/../.files-COOKIE","at":"x"}`}},
	{"folder of a namespace's files", record{"file add", `{SEEN,"kept":".files-COOKIE","at":"x"}`}},
	{"place of a file", record{"file add", `{FILE,"at":""}`}},
	{"place of a file", record{"file add", `{FILE,"at":"../empty"}`}},
	{"place of a file", record{"file add", `{FILE,"at":"a/../../empty"}`}},
	{"place of a file", record{"file set", `{FILE,"at":"/DIR/empty","old":"x"}`}},
	{"no absolute path", record{"file add", `{FILE,"path":"x","at":"x"}`}},
	{"file of mode", record{"file add", `{FILE,"mode":2541,"at":"x"}`}},
	{"file set aside", record{"file del", `{FILE,"at":"x","aside":"../empty"}`}},
	{"not the folder of the files of", record{"file add", `{SEEN,"kept":"DIR/.files-COOKIE","at":"empty"}`}},
	{"path escapes", record{"file add", `{FILE,"at":"out/empty"}`}},
	{"path escapes", record{"file set", `{FILE,"at":"out/token","old":"x"}`}},
	{"path escapes", record{"file del", `{FILE,"at":"out/x","aside":"out-x"}`}},
}

// TestHostile has journals whose checksums are right undone. What is in them is refused, or nothing of it is the run's.
func TestHostile(t *testing.T) {
	v := newVictims(t)
	before := v.state(t)
	for _, c := range hostile {
		labs := plant(t, "evil", record{c.kind, v.words.Replace(c.data)})
		list, err := labs.List() // also words the op as a command
		if err != nil || len(list) != 1 {
			t.Errorf("%+v, %v", list, err)
		}
		found, err := labs.Recover()
		said := fmt.Sprint(err)
		if len(found) == 1 {
			said = fmt.Sprint(found[0].Err, found[0].Left)
		}
		if !strings.Contains(said, c.want) {
			t.Errorf("%s %.300s: said %q, want %q", c.kind, c.data, said, c.want)
		}
		if _, err := os.Stat("/run/nsscript/evil"); err == nil {
			unplant(t, "evil")
		}
		if after := v.state(t); after != before {
			t.Fatalf("%s %.300s:\n%s", c.kind, c.data, nstest.Diff(before, after))
		}
	}
	t.Logf("%d hostile ops", len(hostile))
	// What reaches for something else would not get it even if it were undone unread.
	reading := []string{"is called", "null in a list", "lacks its up"}
	m, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	m.Folder = journal.DefaultDir
	for _, c := range hostile {
		for _, op := range All().Ops {
			if op.Kind() == c.kind && json.Unmarshal([]byte(v.words.Replace(c.data)), op) == nil &&
				!slices.Contains(reading, c.want) {
				_ = op.Undo(m) // whatever it says
				if after := v.state(t); after != before {
					t.Fatalf("%s %.300s, undone:\n%s", c.kind, c.data, nstest.Diff(before, after))
				}
			}
		}
	}
}
