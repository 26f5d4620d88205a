package runtime

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

// foreign keeps of an op's claims those to what the given objects neither are nor hold.
func foreign(op Op, made func(kernel.Object) bool) []Claim {
	return slices.DeleteFunc(op.Claims(), func(c Claim) bool {
		return c.Key == "" && made(c.Object) || made(kernel.Object{Cookie: c.Cookie})
	})
}

// A HeldError says that another run has changed the thing and can still undo that: two that change one thing by turns
// could not both be undone exactly.
type HeldError struct {
	What  string // the thing
	Lab   string // whose change it is
	State string // of that lab
	By    string // the change
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("lab %s, which is %s, holds %s: %s", e.Lab, e.State, e.What, e.By)
}

// Unwrap makes it an EBUSY for those who look.
func (e *HeldError) Unwrap() error { return syscall.EBUSY }

// held finds who of the other runs holds one of the claims. What a run has changed is held until that is undone, whether
// its process lives or not: the open intents in its journal are the locks.
func held(kinds []Op, others []journal.Entry, claims []Claim) error {
	for _, e := range others {
		changes, err := decodeOps(kinds, journal.Open(e.Records))
		if err = errors.Join(e.Err, err); err != nil {
			return &kernel.Error{Op: "look whether lab", Object: e.Name + " holds " + what(claims), Err: err, Machine: true}
		}
		theirs := made(changes)
		for _, c := range changes {
			for _, claim := range foreign(c.op, func(o kernel.Object) bool { return theirs[o] }) {
				if i := slices.IndexFunc(claims, claim.meets); i >= 0 {
					return &HeldError{claims[i].What, e.Name, e.State(), c.op.Command()}
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

// intend looks and writes the intent: from here on the change will be undone. What was there before the run is taken
// while no other run can take anything.
func (s *Session) intend(op Op, pos string, waiver *Irreversible) (c change, err error) {
	fresh := s.fresh(op)
	look := func(others []journal.Entry) error {
		lost, err := waiver.accept(op, op.Check(s.m, fresh))
		if err != nil {
			return err
		}
		if err := ValidOp(op); err != nil {
			return err
		}
		// Only after Check does the op know all that it changes. What it saw of a thing that was being changed goes with
		// the refusal: the others are as they were before it looked.
		claims := foreign(op, func(o kernel.Object) bool { _, ok := s.born[o]; return ok })
		if err := held(s.voc.Ops, others, claims); err != nil {
			return err
		}
		seq, err := s.log.Intent(op.Kind(), op, pos, lost...)
		c = change{seq: seq, op: op, pos: pos, lost: lost}
		return blamed(err)
	}
	if fresh || len(op.Claims()) == 0 {
		err = look(nil)
	} else {
		err = s.log.Alone(look)
	}
	if err != nil {
		s.nameMaker(err)
	}
	return c, err
}

// nameMaker has the error of a namespace's name that is taken say which lab has made that one.
func (s *Session) nameMaker(err error) {
	k := new(kernel.Error)
	if !errors.As(err, &k) || !errors.Is(err, syscall.EEXIST) || !k.Machine || k.Op != "add namespace" {
		return
	}
	entries, _ := journal.OpenDir(s.o.Dir).List() // the error is another one
	for _, e := range entries {
		changes, _ := decodeOps(s.voc.Ops, journal.Open(e.Records))
		for _, ref := range published(changes) {
			if ref.Name == k.Object && e.Name != s.o.Lab && s.m.Leads(ref) {
				k.Hint = fmt.Sprintf("lab %s has made it: `nsscript down %s` takes it down; %s", e.Name, e.Name, k.Hint)
				return
			}
		}
	}
}
