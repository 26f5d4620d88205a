package proc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Process is the number of the command's process as this process sees it, 0 when it is in a PID namespace that is not
// seen from here. The error is ErrEnded when there is none, which one that is started again has between its lives.
func (s Service) Process() (pid int, err error) {
	c, err := s.dial()
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(answerPatience)); err != nil {
		return 0, err
	}
	if err := json.NewEncoder(c).Encode(order{Do: "process"}); err != nil {
		return 0, unanswered(err)
	}
	text, rights := make([]byte, 512), make([]byte, unix.CmsgSpace(4))
	n, of, _, _, err := c.ReadMsgUnix(text, rights)
	switch {
	case err != nil:
		return 0, unanswered(err)
	case n == 0:
		return 0, ErrEnded
	case of == 0:
		var a answer
		if err := json.NewDecoder(io.MultiReader(bytes.NewReader(text[:n]), c)).Decode(&a); err != nil {
			return 0, unanswered(err)
		}
		return 0, a.Refused.err()
	}
	msgs, err := unix.ParseSocketControlMessage(rights[:of])
	if err != nil {
		return 0, err
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil {
		return 0, err
	}
	defer unix.Close(fds[0])
	numbers, err := numbered(fds[0])
	if err != nil {
		return 0, err
	}
	return numbers[0], nil
}

// numbered is how a process is numbered in this process's PID namespace and then in each further one that it is in, 0
// alone when it is not seen from here; ErrEnded when it has ended. Only the kernel knows how the numbers of one PID
// namespace are called in another.
func numbered(pidfd int) (numbers []int, err error) {
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", pidfd))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(info)) {
		word, rest, _ := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		switch {
		case word == "Pid" && slices.Equal(fields, []string{"0"}):
			return []int{0}, nil
		case word == "NSpid":
			for _, f := range fields {
				n, err := strconv.Atoi(f)
				if err != nil {
					return nil, err
				}
				numbers = append(numbers, n)
			}
		}
	}
	if len(numbers) == 0 || numbers[0] <= 0 {
		return nil, ErrEnded
	}
	return numbers, nil
}
