//go:build !failpoint

package failpoint

// Hit passes a failpoint; without the build tag it is nothing at all.
func Hit(string) {}

// Request makes a netlink request; without the build tag it adds nothing.
func Request(send func() error) error { return send() }

// Call makes a system call; without the build tag it adds nothing.
func Call(call func() error) error { return call() }

// Write writes to a file; without the build tag it adds nothing.
func Write(write func() error) error { return write() }

// Follow names a process that is to die with this one; without the build tag it is nothing at all.
func Follow(int) {}
