//go:build !failpoint

package failpoint

// Hit passes a failpoint; without the build tag it is nothing at all.
func Hit(string) {}

// Follow names a process that is to die with this one; without the build tag it is nothing at all.
func Follow(int) {}
