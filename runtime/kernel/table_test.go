package kernel

import (
	"slices"
	"strings"
	"testing"
)

// TestTables holds the rows against what the loops over them take for granted, and has each refuse what is no message
// of its own.
func TestTables(t *testing.T) {
	var names []string
	for _, row := range tables {
		names = append(names, row.Name)
		switch {
		case row.One == "" || row.Many == "" ||
			row.Send == nil && (row.Get == 0 || row.New == 0 || row.Del == 0 && row.Zero == nil) ||
			row.Header == 0 ||
			row.Families == nil && row.Protocol == 0:
			t.Errorf("%s: the row is not whole", row.Name)
		case row.put == nil && (row.Key == nil || row.Dumps == nil && row.Reads == nil):
			t.Errorf("%s: who restores it?", row.Name)
		case row.On != onNamespace && row.Link == nil:
			t.Errorf("%s: no link is said", row.Name)
		}
		whole := make([]byte, row.Header)
		if row.Families == nil {
			continue // of no family
		}
		whole[0] = row.Families[0]
		other := slices.Clone(whole)
		other[0] = 99
		for want, msg := range map[string][]byte{"too short": whole[1:],
			"no attribute": append(slices.Clone(whole), 9, 9), "of family 99": other} {
			index := 0
			if row.Link != nil {
				index = row.Link(append(msg, make([]byte, row.Header)...))
			}
			if err := row.valid(msg, index); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", row.Name, err, want)
			}
		}
		if err := row.valid(whole, 7); row.Link != nil && row.Link(whole) != notOne &&
			(err == nil || !strings.Contains(err.Error(), "of another link")) {
			t.Errorf("%s: one of another link: %v", row.Name, err)
		}
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != len(tables) {
		t.Error("two rows have one name")
	}
}
