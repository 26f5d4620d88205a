// Package failpoint marks the moments at which a process may die, so that tests can make it die at each of them. With
// the build tag failpoint, Hit counts; tests say through the environment at which count the process kills itself with
// SIGKILL, and which requests of the kernel and writes fail, and how. Without the tag, which is how nsscript is built,
// the package does nothing and reads nothing. It knows nothing of what it marks.
package failpoint
