// Package probe measures what a network namespace can reach, with sockets of
// its own and no external program: ICMP echo, TCP, MPTCP and UDP.
//
// It owns the sockets, the packets on them and what they mean. It knows
// neither Starlark nor how a namespace is entered: the caller passes a
// function that runs another one on an OS thread inside the namespace. Only
// the opening of a socket happens there; a socket stays in the namespace that
// it was made in and is used from any thread afterwards.
//
// Everything received is treated as hostile input. Nothing outlives a call but
// the sockets that one returns, which their owner closes.
package probe
