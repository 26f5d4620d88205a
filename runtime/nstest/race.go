//go:build race

package nstest

// Raced reports whether the race detector is at work. Its own memory is more than a test may have.
const Raced = true
