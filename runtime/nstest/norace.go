//go:build !race

package nstest

// Raced reports whether the race detector is at work.
const Raced = false
