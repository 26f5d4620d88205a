package change

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// A Claim is something that an op changes and that may have been there before the run: a link, by its identity; with a
// key, a setting or a route of a namespace; without both a key and an index, all that is in a namespace.
type Claim struct {
	kernel.Object
	Key  string
	What string // for people
	Kept bool   // it is not changed, but others must not change it either
}

// ClaimLink claims a link with all that it has.
func ClaimLink(l kernel.LinkRef) Claim {
	return Claim{Object: l.Object(), What: "link " + l.Name + " in " + l.NS.String()}
}

// ClaimKey claims one setting or route of a namespace.
func ClaimKey(ns kernel.NSRef, key string) Claim {
	return Claim{Object: ns.Object(), Key: key, What: key + " in " + ns.String()}
}

// ClaimAll claims all that is in a namespace.
func ClaimAll(ns kernel.NSRef) Claim {
	return Claim{Object: ns.Object(), What: "namespace " + ns.String()}
}

func (c Claim) whole() bool { return c.Index == 0 && c.Key == "" }

// meets reports whether two claims are to the same thing, or one's is inside the other's.
func (c Claim) meets(d Claim) bool {
	return c.Cookie == d.Cookie && (c.whole() || d.whole() || c.Index == d.Index && c.Key == d.Key)
}

// Foreign keeps of an op's claims those to what the given objects neither are nor hold.
func Foreign(op Op, made func(kernel.Object) bool) []Claim {
	return slices.DeleteFunc(op.Claims(), func(c Claim) bool {
		return c.Key == "" && made(c.Object) || made(kernel.Object{Cookie: c.Cookie})
	})
}

// A ClaimedError says that another run has changed the thing and can still undo that: two that change one thing by
// turns could not both be undone exactly.
type ClaimedError struct {
	What  string // the thing
	Lab   string // whose change it is
	State string // of that lab
	By    string // the change
}

func (e *ClaimedError) Error() string {
	return fmt.Sprintf("lab %s, which is %s, holds %s: %s", e.Lab, e.State, e.What, e.By)
}

// Unwrap makes it an EBUSY for those who look.
func (e *ClaimedError) Unwrap() error { return syscall.EBUSY }

// Claimed finds who of the other runs holds one of the claims. What a run has changed is held until that is undone,
// whether its process lives or not: the open intents in its journal are the locks.
func Claimed(kinds []Op, others []journal.Entry, claims []Claim) error {
	for _, e := range others {
		changes, err := Read(kinds, journal.Open(e.Records))
		if err = errors.Join(e.Err, err); err != nil {
			return &kernel.Error{Op: "look whether lab", Object: e.Name + " holds " + what(claims),
				Err: err, Machine: true}
		}
		theirs := MadeBy(changes)
		for _, c := range changes {
			for _, claim := range Foreign(c.Op, func(o kernel.Object) bool { return theirs[o] }) {
				if i := slices.IndexFunc(claims, claim.meets); i >= 0 {
					return &ClaimedError{claims[i].What, e.Name, e.State(), c.Op.Command()}
				}
			}
		}
	}
	return nil
}

// what are the things of claims, for people.
func what(claims []Claim) string {
	var all []string
	for _, c := range claims {
		if !slices.Contains(all, c.What) {
			all = append(all, c.What)
		}
	}
	return strings.Join(all, ", ")
}
