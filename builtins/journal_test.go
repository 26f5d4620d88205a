package builtins

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
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
	var chain, writing time.Duration
	records := 0
	for b.Loop() {
		s, err := runtime.NewSession(runtime.Options{Vocabulary: voc, Lab: "chain", Script: file, Args: []string{"100"}})
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		err = s.Run(context.Background(), program)
		chain += time.Since(start)
		if err != nil {
			b.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(runtime.DefaultDir, "chain", "journal"))
		if err != nil {
			b.Fatal(err)
		}
		if u, err := s.Rollback(); err != nil || len(u.Left) > 0 {
			b.Fatal(u.Left, err)
		}
		s.Close()
		took, n := rewrite(b, voc, text)
		writing, records = writing+took, records+n
	}
	share := 100 * writing.Seconds() / chain.Seconds()
	b.ReportMetric(0, "ns/op") // of the whole loop, which says nothing
	b.ReportMetric(chain.Seconds()*1e3/float64(b.N), "ms/chain")
	b.ReportMetric(writing.Seconds()*1e6/float64(records), "µs/record")
	b.ReportMetric(share, "%-of-chain")
	if share > 5 {
		b.Errorf("journalling takes %.1f %% of the time", share)
	}
}

// rewrite writes the changes of a journal to another one, from the same values and in the same file system.
func rewrite(b *testing.B, voc *runtime.Vocabulary, text []byte) (took time.Duration, n int) {
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
	log, err := journal.OpenDir(runtime.DefaultDir).Create(header)
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	for i, r := range records {
		if _, err := log.Intent(r.Kind, ops[i], r.Pos); err != nil {
			b.Fatal(err)
		}
	}
	took = time.Since(start)
	again, err := os.ReadFile(filepath.Join(log.Path(), "journal"))
	if err != nil || len(again) != len(text) {
		b.Fatalf("%d bytes were written, not %d: %v", len(again), len(text), err)
	}
	if err := log.Remove(); err != nil {
		b.Fatal(err)
	}
	return took, len(records)
}
