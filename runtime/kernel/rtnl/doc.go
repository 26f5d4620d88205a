// Package rtnl speaks rtnetlink(7): a socket in one network namespace, requests and their answers, dumps that are
// whole, and the attributes of raw messages.
//
// It knows no object: what a message means is package kernel's. A socket stays in the namespace that the calling thread
// was in when it was opened, and belongs to one goroutine at a time.
package rtnl
