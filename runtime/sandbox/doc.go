// Package sandbox starts this program once more inside new namespaces (user, mount, network, PID, IPC, UTS), where it
// is root over what it makes and over nothing else, also when the machine's root starts it. The kernel removes all of
// that with the sandbox's first process, so whoever starts it needs no privileges and leaves nothing behind, whatever
// happens to it.
//
// It knows nothing of scripts or labs. A sandbox that outlives who started it is reached through a [Listener].
package sandbox
