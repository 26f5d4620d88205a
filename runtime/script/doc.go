// Package script is a script's text: how it is found, read, parsed and limited, and how mistakes in it are shown. It
// knows no run, no declared builtin and no kernel.
package script
