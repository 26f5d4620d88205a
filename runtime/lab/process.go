package lab

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/kernel/proc"
	"github.com/nsscript/nsscript/runtime/script"
)

// A Process is one that runs beside others in a lab, or did.
type Process struct {
	Name    string        `json:"name"`
	NS      string        `json:"ns"`
	PID     int           `json:"pid,omitempty"` // none where it has ended, or is not seen from here
	State   string        `json:"state"`
	Since   time.Time     `json:"since"`
	CPU     time.Duration `json:"cpu"` // nanoseconds, of all that it started, too
	RSS     int64         `json:"rss"` // bytes
	Command string        `json:"command"`

	ended   bool
	service proc.Service
}

// Processes lists the processes that the lab has started, oldest first, also those that have ended.
func (l Lab) Processes() (all []Process, err error) {
	for _, p := range l.processes {
		one, e := look(p)
		all, err = append(all, one), errors.Join(err, e)
	}
	return all, err
}

func look(p kernel.Process) (Process, error) {
	one := Process{Name: p.Name, NS: p.NS.String(), Command: strings.Join(p.Job.Args, " "), State: "unknown",
		service: p.Service}
	st, err := p.Service.State()
	if err != nil {
		return one, fmt.Errorf("look at process %s: %w", p.Name, err)
	}
	one.Since, one.ended = st.Since, st.Ended
	if st.Usage != nil {
		one.CPU, one.RSS = st.Usage.CPU, st.Usage.RSS
	}
	if one.State = st.How(); !st.Ended {
		one.State = "running"
		if one.PID, err = p.Service.Process(); errors.Is(err, proc.ErrEnded) {
			err = nil // it has ended since, or is to be started again
		}
	}
	if st.Restarts > 0 {
		one.State += ", " + script.Count(st.Restarts, "restart")
	}
	return one, err
}

// Process finds a process of the lab: of those of one name the newest.
func (l Lab) Process(name string) (Process, error) {
	var names []string
	for i := len(l.processes) - 1; i >= 0; i-- {
		if l.processes[i].Name == name {
			return look(l.processes[i])
		}
		names = append(names, l.processes[i].Name)
	}
	said := fmt.Sprintf("lab %s has no process %s", l.Name, name)
	slices.Sort(names)
	switch near := script.Nearest(name, names); {
	case near != "":
		said += ", did you mean " + near + "?"
	case len(names) > 0:
		said += ", but has " + strings.Join(slices.Compact(names), ", ")
	}
	return Process{}, errors.New(said)
}

// Log writes what the process has printed: the last lines of it, or all that is kept when lines is negative. With
// follow it goes on until the process has ended.
func (p Process) Log(w io.Writer, lines int, follow bool) error {
	text, next, err := p.service.Tail(lines)
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err != nil || !follow {
		return err
	}
	var failed error
	err = p.service.Watch(nil, func(proc.ServiceState) bool {
		var more []byte
		if more, next, failed = p.service.Log(next); failed == nil {
			_, failed = w.Write(more)
		}
		return failed == nil
	})
	return errors.Join(failed, err)
}

// shownLines is how many lines of each log a report has.
const shownLines = 10

// ShowLogs writes the ends of the logs of the lab's processes, but of those that a failure has told already.
func (l Lab) ShowLogs(w io.Writer, failure error) error {
	all, err := l.Processes()
	for _, p := range all {
		text, _, e := p.service.Tail(shownLines)
		err = errors.Join(err, e)
		told := errors.Is(failure, &proc.SaidError{Service: p.service})
		if text = strings.TrimRight(text, "\n"); text != "" && !told {
			text = fmt.Sprintf("process %s in %s, %s, said:\n    %s\n", p.Name, p.NS, p.State,
				strings.ReplaceAll(text, "\n", "\n    "))
			_, e = io.WriteString(w, script.Printable(text))
			err = errors.Join(err, e)
		}
	}
	return err
}
