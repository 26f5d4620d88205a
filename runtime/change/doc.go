// Package change is a change to the machine as a value: an Op, what it claims of things that were there before, how it
// is read back from a journal, and how a list of changes is undone. It knows no script and no builtin.
package change
