package builtins

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/journal"
)

// BenchmarkJournal builds the chain of the benchmarks and then writes the same journal once more, with nothing else
// around it: what share of the time journalling is. More than a twentieth is a failure.
func BenchmarkJournal(b *testing.B) {
	const file = "../bench/chain.star"
	src, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	voc := All()
	program, err := voc.Parse(file, src)
	if err != nil {
		b.Fatal(err)
	}
	var chain, writing spent
	records := 0
	for b.Loop() {
		s, err := runtime.NewSession(runtime.Options{Vocabulary: voc, Lab: "chain", Script: file,
			Args: []string{"100"}})
		if err != nil {
			b.Fatal(err)
		}
		chain.add(func() { err = s.Run(context.Background(), program) })
		if err != nil {
			b.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(journal.DefaultDir, "chain", "journal"))
		if err != nil {
			b.Fatal(err)
		}
		if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
			b.Fatal(u.Left, err)
		}
		s.Close()
		records += rewrite(b, voc, text, &writing)
	}
	share := 100 * writing.cpu.Seconds() / chain.cpu.Seconds()
	b.ReportMetric(0, "ns/op") // of the whole loop, which says nothing
	b.ReportMetric(chain.time.Seconds()*1e3/float64(b.N), "ms/chain")
	b.ReportMetric(writing.time.Seconds()*1e6/float64(records), "µs/record")
	b.ReportMetric(100*writing.time.Seconds()/chain.time.Seconds(), "%-of-time")
	b.ReportMetric(share, "%-of-cpu")
	if share > 5 {
		b.Errorf("journalling takes %.1f %% of the processor's time", share)
	}
}

// spent is the time that something took, and that the processor worked on it, which others on the machine change less.
type spent struct{ time, cpu time.Duration }

func (s *spent) add(fn func()) {
	cpu := func() (d time.Duration) {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // which cannot fail
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start, used := time.Now(), cpu()
	fn()
	s.time, s.cpu = s.time+time.Since(start), s.cpu+cpu()-used
}

// rewrite writes the changes of a journal to another one, from the same values and in the same file system.
func rewrite(b *testing.B, voc *runtime.Vocabulary, text []byte, writing *spent) (n int) {
	b.Helper()
	header, records, _, err := journal.Decode(text)
	if err != nil {
		b.Fatal(err)
	}
	types := map[string]reflect.Type{}
	for _, op := range voc.Ops {
		types[op.Kind()] = reflect.TypeOf(op).Elem()
	}
	ops := make([]any, len(records))
	for i, r := range records {
		ops[i] = reflect.New(types[r.Kind]).Interface()
		if err := json.Unmarshal(r.Data, ops[i]); err != nil {
			b.Fatal(err)
		}
	}
	log, err := journal.OpenDir(journal.DefaultDir).Create(header)
	if err != nil {
		b.Fatal(err)
	}
	writing.add(func() {
		for i, r := range records {
			if _, err := log.Intent(r.Kind, ops[i], r.Pos); err != nil {
				b.Fatal(err)
			}
		}
	})
	again, err := os.ReadFile(filepath.Join(log.Path(), "journal"))
	if err != nil || len(again) != len(text) {
		b.Fatalf("%d bytes were written, not %d: %v", len(again), len(text), err)
	}
	if err := log.Remove(); err != nil {
		b.Fatal(err)
	}
	return len(records)
}
