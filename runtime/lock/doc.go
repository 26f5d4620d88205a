// Package lock takes locks on files and folders (flock(2)) that their holder's death lets go, and waits for no lock for
// ever: whoever holds one may have been stopped. It knows nothing of what is locked.
package lock
