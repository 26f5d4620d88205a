package probe

import (
	"encoding/binary"
	"testing"
	"time"
)

// TestJitter has datagrams come late, twice, in another order, and ones that nobody sent.
func TestJitter(t *testing.T) {
	d := &Datagrams{most: 100}
	come := func(seq uint64, sent, at time.Duration) bool {
		data := binary.BigEndian.AppendUint64(nil, seq)
		return d.take(binary.BigEndian.AppendUint64(data, uint64(sent)), at)
	}
	for i := range 10 { // each is 16ms later on the way than the one before
		at := time.Duration(i) * time.Second
		if !come(uint64(i+1), at, at+time.Duration(i)*16*time.Millisecond) {
			t.Errorf("%d is not counted", i)
		}
	}
	// RFC 3550: J += (16ms - J) / 16, nine times.
	want := 0.0
	for range 9 {
		want += (16 - want) / 16
	}
	if got := d.Jitter.Seconds() * 1000; got < want-0.001 || got > want+0.001 {
		t.Errorf("jitter is %fms, want %fms", got, want)
	}
	for what, bad := range map[string]bool{"twice": come(3, 0, 0), "number 0": come(0, 0, 0),
		"not sent": come(101, 0, 0), "short": d.take(make([]byte, 15), 0)} {
		if bad {
			t.Errorf("%s: it is counted", what)
		}
	}
	come(12, 0, 0)
	come(11, 0, 0)
	if d.Received != 12 || d.Reordered != 1 || d.Duplicates != 1 {
		t.Errorf("got %+v", d)
	}
}
