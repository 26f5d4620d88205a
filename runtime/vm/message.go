package vm

import (
	"encoding/json"
	"io"
	"sync"
)

// A message is a line of JSON on a machine's second serial port. One field of it is set.
type message struct {
	Booted string `json:"booted,omitempty"` // the kernel's release: the command is about to start
	Alive  bool   `json:"alive,omitempty"`  // the machine runs, whatever its command does
	Stdout []byte `json:"stdout,omitempty"`
	Stderr []byte `json:"stderr,omitempty"`
	Error  string `json:"error,omitempty"`  // why the command could not be started
	Exit   *int   `json:"exit,omitempty"`   // the command's exit code, 128+n after signal n
	Signal int    `json:"signal,omitempty"` // for the command, from outside
}

// A sender writes messages, whole ones only, also when several goroutines send.
type sender struct {
	mu sync.Mutex
	to *json.Encoder
}

func newSender(w io.Writer) *sender { return &sender{to: json.NewEncoder(w)} }

func (s *sender) send(m message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.to.Encode(m)
}

// A stream is one of a command's outputs, on its way outside.
type stream struct {
	*sender
	stderr bool
}

func (s stream) Write(p []byte) (int, error) {
	m := message{Stdout: p}
	if s.stderr {
		m = message{Stderr: p}
	}
	if err := s.send(m); err != nil {
		return 0, err
	}
	return len(p), nil
}
