// Package suite runs scenarios as tests: it finds them in files, runs each in a sandbox of its own, several at once,
// and tells what became of them in the formats that people and CI systems read.
//
// It knows how tests are found, started, timed and reported. What a scenario is it leaves to package runtime, and what
// a sandbox is to package sandbox.
package suite
