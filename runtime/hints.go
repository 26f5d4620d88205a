package runtime

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/kernel"
	"github.com/nsscript/nsscript/runtime/sandbox"
	"github.com/nsscript/nsscript/runtime/script"
)

// Hint is what to do about an error, "" when nothing is known.
func Hint(err error) string {
	var k *kernel.Error
	var u *UsageError
	var claimed *change.ClaimedError
	var refused *sandbox.Refusal
	var i *change.IrreversibleError
	var other *journal.VersionError
	var damage *journal.DamageError
	switch {
	case errors.As(err, &i):
		return i.Hint()
	case errors.As(err, &k) && k.Hint != "":
		return k.Hint
	case errors.As(err, &u):
		return u.Hint
	case errors.As(err, &refused):
		return refused.Why
	case errors.As(err, &claimed) && claimed.State == "up":
		return fmt.Sprintf("`nsscript down %s` gives it back", claimed.Lab)
	case errors.As(err, &claimed):
		return "it is given back when that run has ended and is undone"
	case errors.As(err, &other):
		return "the nsscript that made it can undo it; " + forgetting(other.File)
	case errors.As(err, &damage):
		return forgetting(damage.File)
	case err != nil && frozen().MatchString(err.Error()):
		return "what a file defines does not change once it was loaded: let a function of it make and return what is to change"
	}
	return ""
}

// frozen is what the interpreter says of values that a loaded file has.
var frozen = script.Pattern(`cannot .* frozen (list|hash table)$`)

// forgetting says how to give up a run whose journal cannot be read.
func forgetting(file string) string {
	return fmt.Sprintf("`nsscript recover --forget %s` gives it up, and all that it would put back", filepath.Base(filepath.Dir(file)))
}
