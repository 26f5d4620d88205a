package suite

import (
	"cmp"
	"container/heap"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"slices"
	"time"
)

// A Part is one of Count parts of a suite, from 1. The zero Part is the whole.
type Part struct{ Index, Count int }

func (p Part) String() string { return fmt.Sprintf("%d/%d", p.Index, p.Count) }

// Timings are how long cases took, by their names.
type Timings map[string]time.Duration

// ReadTimings reads what WriteTimings wrote. There are none in a file that is not there yet.
func ReadTimings(file string) (Timings, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var seconds map[string]float64
	if err == nil {
		err = json.Unmarshal(text, &seconds)
	}
	if err != nil {
		return nil, fmt.Errorf("read timings of %s: %w", file, err)
	}
	t := Timings{}
	for name, s := range seconds {
		if s < 0 {
			return nil, fmt.Errorf("read timings of %s: %s took %g seconds", file, name, s)
		}
		t[name] = time.Duration(s * float64(time.Second))
	}
	return t, nil
}

// WriteTimings writes them as a JSON object of seconds.
func WriteTimings(file string, t Timings) error {
	seconds := map[string]float64{}
	for name, d := range t {
		seconds[name] = d.Round(time.Millisecond).Seconds()
	}
	text, err := json.MarshalIndent(seconds, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o666)
}

// divide says which of several parts, from 1, each of the names is in. It depends on the names and the timings, and on
// no order: whoever divides the same suite comes to the same. The longest cases go first, each to the part that is the
// shortest so far. A case that nobody has timed goes where the hash of its name says, and counts as the mean.
func (t Timings) divide(names []string, parts int) map[string]int {
	in := make(map[string]int, len(names))
	var timed []string
	var sum time.Duration
	for _, name := range names {
		if d, ok := t[name]; ok {
			timed, sum = append(timed, name), sum+d
		}
	}
	loads := make(loads, parts)
	for i := range loads {
		loads[i].part = i + 1
	}
	for _, name := range names {
		if _, ok := t[name]; ok {
			continue
		}
		h := fnv.New32a()
		h.Write([]byte(name))
		i := int(h.Sum32() % uint32(parts))
		in[name] = i + 1
		if len(timed) > 0 {
			loads[i].took += sum / time.Duration(len(timed))
		}
	}
	slices.SortFunc(timed, func(a, b string) int { return cmp.Or(cmp.Compare(t[b], t[a]), cmp.Compare(a, b)) })
	heap.Init(&loads)
	for _, name := range timed {
		in[name] = loads[0].part
		loads[0].took += t[name]
		heap.Fix(&loads, 0)
	}
	return in
}

// loads are the parts as they fill, as a heap with the shortest first.
type loads []struct {
	part int
	took time.Duration
}

func (l loads) Len() int      { return len(l) }
func (l loads) Swap(i, j int) { l[i], l[j] = l[j], l[i] }
func (l loads) Less(i, j int) bool {
	return l[i].took < l[j].took || l[i].took == l[j].took && l[i].part < l[j].part
}
func (l *loads) Push(any) { panic("the parts are as many as they were") }
func (l *loads) Pop() any { panic("the parts are as many as they were") }
