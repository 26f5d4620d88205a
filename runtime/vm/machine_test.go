package vm

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFollow holds what becomes of a machine against what it says.
func TestFollow(t *testing.T) {
	code := func(n int) *int { return &n }
	booted := message{Booted: "6.1"}
	for name, c := range map[string]struct {
		says   []message
		signal syscall.Signal
		boots  time.Duration
		beats  time.Duration
		hangs  bool
		code   int
		out    string
		err    string
	}{
		"ends": {says: []message{booted, {Stdout: []byte("a")}, {Stderr: []byte("b")}, {Exit: code(3)}},
			code: 3, out: "ab"},
		"succeeds":      {says: []message{booted, {Exit: code(0)}}},
		"dies":          {says: []message{booted, {Stdout: []byte("a")}}, out: "a", err: "ended before its command"},
		"cannot":        {says: []message{{Error: "mount /proc: EIO"}}, err: "mount /proc: EIO"},
		"never boots":   {boots: 1, err: "has not booted in 1ns"},
		"hangs":         {says: []message{booted}, hangs: true, beats: 1, err: "it has said nothing"},
		"is not needed": {signal: syscall.SIGINT, code: 130},
	} {
		t.Run(name, func(t *testing.T) {
			c.boots, c.beats = cmp.Or(c.boots, time.Hour), cmp.Or(c.beats, time.Hour)
			said, signals := new(bytes.Buffer), make(chan os.Signal, 1)
			for _, msg := range c.says {
				if err := newSender(said).send(msg); err != nil {
					t.Fatal(err)
				}
			}
			if c.signal != 0 {
				signals <- c.signal
			}
			var out bytes.Buffer
			m := machine{Spec: Spec{Stdout: &out, Stderr: &out, Signals: signals}, boots: c.boots, beats: c.beats}
			from, stop := make(chan message), make(chan struct{})
			defer close(stop)
			if c.says != nil {
				var end io.Reader = strings.NewReader("")
				if c.hangs {
					end, _ = io.Pipe()
				}
				go m.receive(io.MultiReader(said, end), from, stop)
			}
			code, err := m.follow(context.Background(), from, newSender(io.Discard))
			if code != c.code || out.String() != c.out || (err == nil) != (c.err == "") ||
				err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("code %d, output %q, error %v", code, out.String(), err)
			}
		})
	}
}

// TestUnread takes no machine for one that hangs whose output nobody reads.
func TestUnread(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	m := machine{boots: time.Hour, beats: 1, booted: true}
	m.writing.Store(true)
	if _, err := m.follow(ctx, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// TestFollowSignal passes a signal on to the command of a machine that has booted, also while nobody reads what that
// writes.
func TestFollowSignal(t *testing.T) {
	signals := make(chan os.Signal)
	r, w := io.Pipe()
	said, saying := io.Pipe()
	unread, stdout := io.Pipe()
	m := machine{Spec: Spec{Signals: signals, Stdout: stdout}, boots: time.Hour, beats: time.Hour}
	from, stop := make(chan message), make(chan struct{})
	defer close(stop)
	go m.receive(said, from, stop)
	go func() {
		out := newSender(saying)
		_ = out.send(message{Booted: "6.1"}) // these end with the test
		_ = out.send(message{Stdout: []byte("a line")})
		signals <- syscall.SIGTERM
		var msg message
		if err := json.NewDecoder(r).Decode(&msg); err != nil {
			msg.Signal = -1
		}
		_, _ = unread.Read(make([]byte, 10))
		msg.Signal += 128
		_ = out.send(message{Exit: &msg.Signal})
	}()
	if code, err := m.follow(context.Background(), from, newSender(w)); err != nil || code != 128+15 {
		t.Errorf("code %d, %v", code, err)
	}
}

// TestFind says what is wrong with a kernel that cannot be had.
func TestFind(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	empty := filepath.Join(t.TempDir(), "k.deb")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ word, modules, want string }{
		{"ubuntu", "", "find kernel ubuntu: .*no such file"},
		{Debian, "/lib/modules", "--modules is for a bzImage"},
		{empty, "/lib/modules", "--modules is for a bzImage"},
		{empty, "", "dpkg-deb"},
	} {
		_, err := Find(context.Background(), c.word, c.modules, func(string) {})
		before, after, _ := strings.Cut(c.want, ".*")
		if !errors.As(err, new(*Error)) || !strings.Contains(err.Error(), before) ||
			!strings.Contains(err.Error(), after) {
			t.Errorf("%s: %v, want %s", c.word, err, c.want)
		}
	}
}
