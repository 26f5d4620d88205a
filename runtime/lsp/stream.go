package lsp

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/sourcegraph/jsonrpc2"
)

// most is how many bytes a message may have: a text of the greatest length, each byte of it escaped, and some.
const most = 8 << 20

// stream reads and writes messages. What is no message is passed over, and answered when it came as one.
type stream struct {
	conn io.Closer
	r    *bufio.Reader
	w    io.Writer
	mu   sync.Mutex // of w
}

func newStream(rw io.ReadWriteCloser) *stream {
	return &stream{conn: rw, r: bufio.NewReader(rw), w: rw}
}

func (s *stream) Close() error { return s.conn.Close() }

func (s *stream) WriteObject(obj any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return jsonrpc2.VSCodeObjectCodec{}.WriteObject(s.w, obj)
}

func (s *stream) ReadObject(v any) error {
	for {
		n, err := s.header()
		if err != nil {
			return err
		}
		if n > most {
			if _, err := io.CopyN(io.Discard, s.r, n); err != nil {
				return err
			}
			err = fmt.Errorf("a message may have at most %d bytes", most)
		} else {
			body := make([]byte, n)
			if _, err := io.ReadFull(s.r, body); err != nil {
				return err
			}
			if err = json.Unmarshal(body, v); err == nil {
				return nil
			}
		}
		if err := s.refuse(err); err != nil {
			return err
		}
	}
}

// header reads up to the next message and returns its length.
func (s *stream) header() (n int64, err error) {
	n = -1
	for {
		line, err := s.line()
		if err != nil {
			return 0, err
		}
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Content-Length") {
			if n, err = strconv.ParseInt(strings.TrimSpace(value), 10, 63); err != nil || n < 0 {
				n = -1
			}
		} else if line == "" && n >= 0 {
			return n, nil
		}
	}
}

// line reads a line; of one that is too long for a header, what its end is.
func (s *stream) line() (string, error) {
	for {
		line, err := s.r.ReadSlice('\n')
		switch err {
		case nil:
			return strings.TrimRight(string(line), "\r\n"), nil
		case bufio.ErrBufferFull:
		default:
			return "", err
		}
	}
}

// refuse answers what has no id that could be read.
func (s *stream) refuse(why error) error {
	return s.WriteObject(map[string]any{"jsonrpc": "2.0", "id": nil,
		"error": map[string]any{"code": jsonrpc2.CodeParseError, "message": why.Error()}})
}
