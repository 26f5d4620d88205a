package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// A request is what a sandbox is asked for: a line of JSON, with three descriptors when a command is to be run.
type request struct {
	Do   string `json:"do"` // "describe", "run", "down", "name"; after "run": "signal"
	Args words  `json:"args,omitempty"`
	Env  words  `json:"env,omitempty"`
	Dir  []byte `json:"dir,omitempty"` // where it is to run
	Num  int    `json:"num,omitempty"`
}

// A reply answers it.
type reply struct {
	Lab     *Lab   `json:"lab,omitempty"`
	Changes int    `json:"changes,omitempty"`
	Code    int    `json:"code"`
	Err     string `json:"error,omitempty"`
}

// maxRequest bounds a request. The kernel takes 6 MiB of arguments and environment, and JSON makes 8 of them.
const maxRequest = 16 << 20

// words are arguments, in which any byte may stand: a string of JSON would alter those that are no UTF-8.
type words []string

func (w words) MarshalJSON() ([]byte, error) {
	all := make([][]byte, len(w))
	for i, word := range w {
		all[i] = []byte(word)
	}
	return json.Marshal(all)
}

func (w *words) UnmarshalJSON(text []byte) error {
	var all [][]byte
	err := json.Unmarshal(text, &all)
	*w = make(words, len(all))
	for i, word := range all {
		(*w)[i] = string(word)
	}
	return err
}

// send makes a request, with descriptors.
func send(c *net.UnixConn, r request, files ...*os.File) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if line = append(line, '\n'); len(line) > maxRequest {
		return fmt.Errorf("%d bytes of arguments and environment: %w", len(line), syscall.E2BIG)
	}
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	// A message takes what the socket has room for, which can be less than a long request.
	n, _, err := c.WriteMsgUnix(line, syscall.UnixRights(fds...), nil)
	if err == nil && n < len(line) {
		_, err = c.Write(line[n:])
	}
	return err
}

// receive reads a request and the descriptors that came with it. Rest is what was read of what follows.
func receive(c *net.UnixConn) (r request, files []*os.File, rest []byte, err error) {
	if err := c.SetReadDeadline(time.Now().Add(answerPatience)); err != nil {
		return r, nil, nil, err
	}
	var line []byte
	part, rights := make([]byte, 64<<10), make([]byte, syscall.CmsgSpace(3*4))
	for {
		n, nr, _, _, err := c.ReadMsgUnix(part, rights)
		if errors.Is(err, io.EOF) || err == nil && n == 0 {
			err = errors.New("the request is cut off")
		}
		if err != nil {
			return r, files, nil, err
		}
		more, err := descriptors(rights[:nr])
		files = append(files, more...)
		if err == nil && len(files) > 3 {
			err = errors.New("the request has too many descriptors")
		}
		if err != nil {
			return r, files, nil, err
		}
		text, after, ended := bytes.Cut(part[:n], []byte("\n"))
		if line = append(line, text...); len(line) > maxRequest {
			return r, files, nil, errors.New("the request is too long")
		}
		if ended {
			rest = bytes.Clone(after)
			break
		}
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return r, files, nil, err
	}
	return r, files, rest, json.Unmarshal(line, &r)
}

// descriptors takes those that came with a part of a request.
func descriptors(rights []byte) (files []*os.File, err error) {
	msgs, err := syscall.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	for _, m := range msgs {
		fds, err := syscall.ParseUnixRights(&m)
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			syscall.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "caller's"))
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
