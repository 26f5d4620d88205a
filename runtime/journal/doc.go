// Package journal owns the append-only log of one run and the folder that runs stand in. It uses the standard library
// and locks only and knows neither Starlark nor netlink: a change is a kind and some JSON to it.
//
// A run is a folder with a file "journal", locked (flock) by its live process: a free lock means a dead owner, so no
// process id is ever guessed at. A record is one line, written by one write(2): the CRC-32C of its JSON and
// that of all lines before it in 8 hexadecimal digits, a space, the JSON, a newline. The file gets its name with its
// first record in it. The state of the kernel and a file in /run end with the same boot, so nothing is synced to disk.
package journal
