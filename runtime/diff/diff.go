// Package diff shows how two texts differ. It knows nothing of what they say.
package diff

import (
	"fmt"
	"sort"
	"strings"
)

// around is how many lines are shown around a difference.
const around = 3

// Unified shows how two texts differ, in the form that patch(1) reads; "" when they do not.
func Unified(oldName, before, newName, after string) string {
	if before == after {
		return ""
	}
	x, y := lines(before), lines(after)
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", oldName, newName)
	var hunk []string
	var from, to [2]int // of the hunk: where it begins and how many lines of each it has
	flush := func() {
		if hunk == nil {
			return
		}
		for i := range from {
			if to[i] > 0 {
				from[i]++ // lines count from 1; a hunk of none stands behind the line that it names
			}
		}
		fmt.Fprintf(&b, "@@ -%d,%d +%d,%d @@\n", from[0], to[0], from[1], to[1])
		for _, l := range hunk {
			b.WriteString(l)
			if !strings.HasSuffix(l, "\n") {
				b.WriteString("\n\\ No newline at end of file\n")
			}
		}
		hunk = nil
	}
	emit := func(sign string, list []string, old, new int) {
		for _, l := range list {
			hunk = append(hunk, sign+l)
		}
		to[0] += old * len(list)
		to[1] += new * len(list)
	}
	at := [2]int{}
	for _, m := range same(x, y) {
		// Before m are lines that differ; from m on, some that are alike.
		if m[0] > at[0] || m[1] > at[1] {
			if hunk == nil {
				lead := min(around, at[0], at[1])
				from, to = [2]int{at[0] - lead, at[1] - lead}, [2]int{}
				emit(" ", x[at[0]-lead:at[0]], 1, 1)
			}
			emit("-", x[at[0]:m[0]], 1, 0)
			emit("+", y[at[1]:m[1]], 0, 1)
		}
		end, n := [2]int{m[0] + m[2], m[1] + m[2]}, m[2]
		if hunk != nil {
			last := end[0] == len(x) && end[1] == len(y)
			if n > 2*around || last {
				emit(" ", x[m[0]:m[0]+min(n, around)], 1, 1)
				flush()
			} else {
				emit(" ", x[m[0]:end[0]], 1, 1)
			}
		}
		at = end
	}
	return b.String()
}

func lines(text string) []string {
	all := strings.SplitAfter(text, "\n")
	if all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return all
}

// same finds runs of lines that both texts have, in order: {where in x, where in y, how many}. The last one ends both
// and may be empty. It goes by the lines that each text has once (a patience diff), which takes O(n log n).
func same(x, y []string) [][3]int {
	count := map[string]int{} // 1 for a line of x, 16 for one of y
	where := map[string]int{} // in y
	for _, l := range x {
		count[l] = min(count[l]+1, 2)
	}
	for i, l := range y {
		count[l] += 16
		where[l] = i
	}
	var pairs [][2]int
	for i, l := range x {
		if count[l] == 17 {
			pairs = append(pairs, [2]int{i, where[l]})
		}
	}
	var runs [][3]int
	at := [2]int{}
	add := func(i, j, n int) {
		if k := len(runs) - 1; k >= 0 && runs[k][0]+runs[k][2] == i && runs[k][1]+runs[k][2] == j {
			runs[k][2] += n
		} else if n > 0 || i == len(x) && j == len(y) {
			runs = append(runs, [3]int{i, j, n})
		}
		at = [2]int{i + n, j + n}
	}
	for _, p := range append(rising(pairs), [2]int{len(x), len(y)}) {
		if p[0] < at[0] || p[1] < at[1] {
			continue
		}
		i, j := at[0], at[1]
		n := 0
		for i+n < p[0] && j+n < p[1] && x[i+n] == y[j+n] {
			n++
		}
		add(i, j, n)
		i, j = p[0], p[1]
		for i > at[0] && j > at[1] && x[i-1] == y[j-1] {
			i, j = i-1, j-1
		}
		n = p[0] - i
		for i+n < len(x) && j+n < len(y) && x[i+n] == y[j+n] {
			n++
		}
		add(i, j, n)
	}
	return runs
}

// rising is a longest part of pairs, which rise by their first, that rises by the second as well.
func rising(pairs [][2]int) [][2]int {
	var tails []int // the pair that ends the best run of each length
	before := make([]int, len(pairs))
	for i, p := range pairs {
		k := sort.Search(len(tails), func(k int) bool { return pairs[tails[k]][1] >= p[1] })
		before[i] = -1
		if k > 0 {
			before[i] = tails[k-1]
		}
		tails = append(tails[:k], append([]int{i}, tails[min(k+1, len(tails)):]...)...)
	}
	if len(tails) == 0 {
		return nil
	}
	run := make([][2]int, len(tails))
	for k, i := len(tails)-1, tails[len(tails)-1]; k >= 0; k, i = k-1, before[i] {
		run[k] = pairs[i]
	}
	return run
}
