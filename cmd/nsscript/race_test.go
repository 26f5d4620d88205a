//go:build race

package main

// raced: the race detector's own memory is more than a test may have.
const raced = true
