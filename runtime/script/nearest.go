package script

import (
	"slices"
	"strings"
)

// Nearest is the candidate that a mistyped name most probably meant, "" when none is near. Of several that are equally
// near it is one that begins alike.
func Nearest(name string, candidates []string) string {
	best, at := "", 2*(max(len(name)/3, 1)+1)
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if name == "" || c == "" {
			continue
		}
		d := 2 * Distance(strings.ToLower(name), strings.ToLower(c))
		if name[0] != c[0] {
			d++
		}
		if d < at {
			best, at = c, d
		}
	}
	return best
}

// Distance is Levenshtein's, with two neighbouring letters swapped counted as one.
func Distance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}

// Beginning lists the candidates that begin with what was typed, each once.
func Beginning(all []string, with string) (some []string) {
	for _, s := range all {
		if strings.HasPrefix(s, with) && !slices.Contains(some, s) {
			some = append(some, s)
		}
	}
	return some
}
