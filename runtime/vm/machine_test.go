package vm

import (
	"bytes"
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
		"is not needed": {signal: syscall.SIGINT, code: 130},
	} {
		t.Run(name, func(t *testing.T) {
			if c.boots == 0 {
				c.boots = time.Hour
			}
			from, signals := make(chan message), make(chan os.Signal, 1)
			var out bytes.Buffer
			m := machine{Spec: Spec{Stdout: &out, Stderr: &out, Signals: signals}, boots: c.boots}
			if c.signal != 0 {
				signals <- c.signal
			}
			go func() {
				for _, msg := range c.says {
					from <- msg
				}
				if c.says != nil {
					close(from)
				}
			}()
			code, err := m.follow(context.Background(), from, newSender(io.Discard))
			if code != c.code || out.String() != c.out || (err == nil) != (c.err == "") ||
				err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("code %d, output %q, error %v", code, out.String(), err)
			}
		})
	}
}

// TestFollowSignal passes a signal on to the command of a machine that has booted.
func TestFollowSignal(t *testing.T) {
	from, signals := make(chan message), make(chan os.Signal)
	r, w := io.Pipe()
	go func() {
		from <- message{Booted: "6.1"}
		signals <- syscall.SIGTERM
		var m message
		if err := json.NewDecoder(r).Decode(&m); err != nil {
			m.Signal = -1
		}
		m.Signal += 128
		from <- message{Exit: &m.Signal}
	}()
	m := machine{Spec: Spec{Signals: signals}, boots: time.Hour}
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
