// Package lab is the labs of a machine, those whose journals are on it and those in sandboxes: listing, showing,
// entering with a command, taking down, and undoing what dead runs left. It knows no script and no session.
package lab
