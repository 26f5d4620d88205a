package suite

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// suiteOf draws names, and timings of some of them.
func suiteOf(r *rand.Rand, cases int, timed float64) (names []string, t Timings) {
	t = Timings{}
	for i := range cases {
		name := fmt.Sprintf("dir%d/file%d.star:test_%d", r.IntN(20), r.IntN(300), i)
		names = append(names, name)
		if r.Float64() < timed {
			t[name] = time.Duration(r.ExpFloat64() * float64(time.Second))
		}
	}
	return names, t
}

// TestDivide divides random suites: each case is in one part, whatever the order of the files.
func TestDivide(t *testing.T) {
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 1))
		names, timings := suiteOf(r, r.IntN(400), r.Float64())
		parts := 1 + r.IntN(80)
		in := timings.divide(names, parts)
		if len(in) != len(names) {
			t.Fatalf("seed %d: %d of %d cases are in a part", seed, len(in), len(names))
		}
		for name, part := range in {
			if part < 1 || part > parts {
				t.Fatalf("seed %d: %s is in part %d of %d", seed, name, part, parts)
			}
		}
		r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		if again := timings.divide(names, parts); !maps.Equal(again, in) {
			t.Fatalf("seed %d: the parts depend on the order of the files", seed)
		}
	}
}

// TestDivideEvenly holds the longest part to the mean and a tenth, where no single case is longer.
func TestDivideEvenly(t *testing.T) {
	for seed := range uint64(20) {
		names, timings := suiteOf(rand.New(rand.NewPCG(seed, 2)), 5000, 1)
		const parts = 64
		var sum, longest, single time.Duration
		took := map[int]time.Duration{}
		for name, part := range timings.divide(names, parts) {
			sum, single = sum+timings[name], max(single, timings[name])
			took[part] += timings[name]
			longest = max(longest, took[part])
		}
		if limit := max(sum/parts*11/10, single); longest > limit {
			t.Errorf("seed %d: the longest part takes %s, more than %s", seed, longest, limit)
		}
	}
}

func BenchmarkDivide(b *testing.B) {
	names, timings := suiteOf(rand.New(rand.NewPCG(1, 3)), 5000, 0.9)
	for b.Loop() {
		timings.divide(names, 64)
	}
}

// TestTimings writes timings and reads them.
func TestTimings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "timings.json")
	if none, err := ReadTimings(file); err != nil || none != nil {
		t.Errorf("of a file that is not there: %v, %v", none, err)
	}
	want := Timings{"a.star": 1500 * time.Millisecond, "b.star:test_x": 0}
	if err := WriteTimings(file, want); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadTimings(file); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{"", "[]", `{"a.star": "x"}`, `{"a.star": -1}`} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadTimings(file); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
