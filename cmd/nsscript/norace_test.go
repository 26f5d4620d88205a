//go:build !race

package main

// raced says whether the tests are built with the race detector.
const raced = false
