package journal

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"time"
)

// version is the format that this package writes and the only one that it reads.
const version = 7

// Bounds on what is read, since a journal is hostile input to whoever recovers it.
const (
	maxLine = 4 << 20
	maxFile = 256 << 20
)

// A Header is the first line: which run this is.
type Header struct {
	Version int       `json:"version"`
	Name    string    `json:"name"`
	Boot    string    `json:"boot"` // /proc/sys/kernel/random/boot_id
	Script  string    `json:"script,omitempty"`
	Args    []string  `json:"args,omitempty"`
	PID     int       `json:"pid"` // for people to read; never a proof of life
	Start   time.Time `json:"start"`
	HostNS  uint64    `json:"host_ns"` // cookie of the namespace that the run called host
}

// A State is what a record says.
type State string

// An intent is open until it has failed or is undone; there is no record of its having been done. Kept is the decision
// that a run succeeded; Dropped takes that back, before a kept run is undone. Named is another name that its folder may
// have. Noted adds to an intent what was seen once it was made: no undoing depends on its being there.
const (
	Intent  State = "intent"
	Failed  State = "failed"
	Undone  State = "undone"
	Kept    State = "kept"
	Dropped State = "dropped"
	Named   State = "named"
	Noted   State = "noted"
)

// A Record is one line after the header.
type Record struct {
	State State           `json:"state"`
	Seq   int             `json:"seq,omitempty"`  // the change's number, from 1; failed and undone name their intent's
	Kind  string          `json:"kind,omitempty"` // of an intent: which change, and with what; the name that is given
	Data  json.RawMessage `json:"data,omitempty"`
	Pos   string          `json:"pos,omitempty"` // where in the script
	// Of an intent: what its undoing would not bring back. The script said that this may be.
	Lost []string `json:"lost,omitempty"`

	Note json.RawMessage `json:"-"` // of an open intent: the data that was noted
}

// An intent is a Record whose data is not encoded yet: with the record around it, that is done in one go.
type intent struct {
	State State    `json:"state"`
	Seq   int      `json:"seq"`
	Kind  string   `json:"kind,omitempty"`
	Data  any      `json:"data"`
	Pos   string   `json:"pos,omitempty"`
	Lost  []string `json:"lost,omitempty"`
}

// A DamageError says where a journal is not what was written. Nothing of such a journal is acted on.
type DamageError struct {
	File   string
	Offset int64 // of the damaged line, in bytes
	Reason string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("journal %s is damaged at byte %d: %s", e.File, e.Offset, e.Reason)
}

// A VersionError says that a journal is whole and another nsscript's, which knows what to do with it. Nothing of it is
// acted on.
type VersionError struct {
	File    string
	Version int // of the format; this package reads one
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("journal %s has version %d, written by another nsscript: this one reads version %d", e.File,
		e.Version, version)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// An End is where the whole lines of a journal end.
type End struct {
	Size int
	Sum  uint32 // checksum of the last of them, that of the next goes on from it
}

// encode appends v's line to buf, and moves end behind it. The checksum is that of all lines until then, so that none
// can be lost or stand elsewhere.
func encode(buf []byte, v any, end *End) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return buf, err
	}
	if len(data)+10 > maxLine {
		return buf, fmt.Errorf("a record of %d bytes is too long for the journal", len(data))
	}
	sum := crc32.Update(end.Sum, castagnoli, data)
	*end = End{end.Size + len(data) + 10, sum}
	buf = hex.AppendEncode(buf, []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
	buf = append(buf, ' ')
	buf = append(buf, data...)
	return append(buf, '\n'), nil
}

// decode reads a line without its newline, and moves end behind it.
func decode(line []byte, v any, end *End) error {
	if len(line) < 10 || line[8] != ' ' {
		return errors.New("the line has no checksum")
	}
	var sum [4]byte
	if _, err := hex.Decode(sum[:], line[:8]); err != nil || !bytes.Equal(bytes.ToLower(line[:8]), line[:8]) {
		return errors.New("the checksum is not a number")
	}
	want := uint32(sum[0])<<24 | uint32(sum[1])<<16 | uint32(sum[2])<<8 | uint32(sum[3])
	if crc32.Update(end.Sum, castagnoli, line[9:]) != want {
		return errors.New("the checksum is wrong")
	}
	d := json.NewDecoder(bytes.NewReader(line[9:]))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the record")
	}
	*end = End{end.Size + len(line) + 1, want}
	return nil
}

// Decode reads a journal's text. A last line without its newline is torn: its change had not begun, so it is dropped,
// and end is where it begins. Any other damage is a *DamageError, and another version a *VersionError, without the
// file's name. A journal gets its name with its header in it, so a header is never torn.
func Decode(text []byte) (h Header, records []Record, end End, err error) {
	state := checker{open: map[int]bool{}}
	for rest := text; ; rest = text[end.Size:] {
		first := end.Size == 0
		damage := func(err error) error {
			return &DamageError{Offset: int64(len(text) - len(rest)), Reason: err.Error()}
		}
		line, _, whole := bytes.Cut(rest, []byte("\n"))
		next := end
		switch {
		case !whole && first:
			return h, nil, end, damage(errors.New("it has no whole header"))
		case len(line) > maxLine:
			return h, nil, end, damage(errors.New("the line is too long"))
		case !whole && len(line) > 0 && decode(line[:len(line)-1], &json.RawMessage{}, &next) == nil:
			// A line that is torn has a beginning of what was written, and nothing else: this one was whole.
			return h, nil, end, damage(errors.New("the line ends in another byte than a newline"))
		case !whole:
			return h, records, end, nil
		}
		if first {
			if v := otherVersion(line); v != nil {
				return h, nil, end, v
			}
			err = decode(line, &h, &end)
		} else {
			var r Record
			if err = decode(line, &r, &end); err == nil {
				err = state.next(r)
			}
			records = append(records, r)
		}
		if err != nil {
			return h, nil, end, damage(err)
		}
	}
}

// otherVersion is the error of a header of another version, which may have what this one does not know; nil for any
// other line.
func otherVersion(line []byte) error {
	var text json.RawMessage
	var h struct{ Version int }
	if decode(line, &text, &End{}) != nil || json.Unmarshal(text, &h) != nil || h.Version == version {
		return nil
	}
	return &VersionError{Version: h.Version}
}

// checker holds a record against those before it.
type checker struct {
	last int
	open map[int]bool
}

func (c *checker) next(r Record) error {
	switch r.State {
	case Intent:
		if c.last++; r.Seq != c.last {
			return fmt.Errorf("change %d follows change %d", r.Seq, c.last-1)
		}
		c.open[r.Seq] = true
	case Failed, Undone:
		if !c.open[r.Seq] {
			return fmt.Errorf("change %d is %s but was not open", r.Seq, r.State)
		}
		delete(c.open, r.Seq)
	case Noted:
		if !c.open[r.Seq] {
			return fmt.Errorf("something is noted of change %d, which is not open", r.Seq)
		}
	case Kept, Dropped:
	case Named:
		return ValidName(r.Kind)
	default:
		return fmt.Errorf("unknown state %q", r.State)
	}
	return nil
}

// Open lists the intents that are neither failed nor undone, oldest first.
func Open(records []Record) []Record {
	closed, notes := map[int]bool{}, map[int]json.RawMessage{}
	for _, r := range records {
		switch r.State {
		case Failed, Undone:
			closed[r.Seq] = true
		case Noted:
			notes[r.Seq] = r.Data
		}
	}
	var open []Record
	for _, r := range records {
		if r.State == Intent && !closed[r.Seq] {
			r.Note = notes[r.Seq]
			open = append(open, r)
		}
	}
	return open
}

// Ended lists the intents that are undone, oldest first.
func Ended(records []Record) []Record {
	undone := map[int]bool{}
	for _, r := range records {
		if r.State == Undone {
			undone[r.Seq] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(records), func(r Record) bool { return r.State != Intent || !undone[r.Seq] })
}

// Pending lists the open intents that the last decision to keep the run does not cover: those of who entered it since.
func Pending(records []Record) []Record {
	for i := len(records) - 1; i >= 0; i-- {
		if records[i].State == Kept {
			return Open(records[i:])
		}
	}
	return Open(records)
}

// called reports whether a run was given a name.
func called(records []Record, name string) bool {
	return slices.ContainsFunc(records, func(r Record) bool { return r.State == Named && r.Kind == name })
}

// decided tells what the run's last decision was, if there was one.
func decided(records []Record) (kept, dropped bool) {
	for _, r := range records {
		if r.State == Kept || r.State == Dropped {
			kept, dropped = r.State == Kept, r.State == Dropped
		}
	}
	return kept, dropped
}
