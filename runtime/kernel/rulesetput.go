package kernel

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// MaxRuleset bounds what a journal holds of a ruleset, in bytes.
const MaxRuleset = 2 << 20

// A take is what is to be done about a ruleset that is to be put back.
type take int

const (
	look    take = iota // see whether the kernel would take all of it, and do nothing
	inOrder             // leave the tables that are as they were, up to the first one that is not
	alone               // leave all that are as they were
)

// RestoreRuleset makes the ruleset what it was, in one step, when it still is what was read last. Tables that are as
// they were stay untouched, with their handles, unless they stood behind one that is not: chains of one hook and
// priority are asked in the order of their making. The others are made anew, and what is the same in them keeps what it
// has counted.
func (n *Namespace) RestoreRuleset(was, now *Ruleset) error {
	part, err := n.putRuleset(was, now, inOrder)
	refused := func() bool { return err != nil && part != nil && !Unsettled(err) }
	if refused() {
		part, err = n.putRuleset(was, now, inOrder) // an error may say nothing of what was asked for, and pass
	}
	if refused() {
		// Of a table that nobody changed the kernel may not take everything.
		if part, err = n.putRuleset(was, now, alone); err == nil && !was.keepsOrder(now) {
			return &Loss{What: "the order of the tables of the ruleset in " + n.Name(),
				Why: "the kernel does not take back one that stood behind a changed one"}
		}
	}
	switch {
	case errors.Is(err, unix.ERESTART):
		err = ErrDiverged
	case err != nil && part != nil:
		err = fmt.Errorf("%s: %w", part, err)
	}
	return fail(err, "restore ruleset", "", n)
}

// keepsOrder reports whether tables stand as they did when those alone are made anew that are not as they were.
func (r *Ruleset) keepsOrder(now *Ruleset) bool {
	old, order := r.tables()
	have, _ := now.tables()
	anew := func(t string) bool { return !sameTable(have[t], old[t]) }
	first := slices.IndexFunc(order, anew)
	return first < 0 || !slices.ContainsFunc(order[first:], func(t string) bool { return !anew(t) })
}

// Restorable is the Loss of a ruleset that would not come back when some of its tables are changed. What the kernel
// does not take back is found by asking it.
func (n *Namespace) Restorable(r *Ruleset, changed func(table string) bool) error {
	loss := &Loss{What: "ruleset in " + n.Name()}
	size := 0
	for _, p := range r.Parts {
		size += len(p)
	}
	if size > MaxRuleset {
		loss.Why = fmt.Sprintf("its %d bytes are more than the %d that a journal holds of one", size, MaxRuleset)
		return loss
	}
	part, err := n.putRuleset(r, r, look)
	if err == nil {
		return nil
	} else if part == nil || errors.Is(err, unix.ERESTART) {
		return fail(err, "look at ruleset", "", n)
	}
	byTable, order := r.tables()
	before := false
	for _, t := range order {
		if !changed(unix.ByteSliceToString(byTable[t][0].attr(nfTable))) {
			if before { // those that are made anew would stand behind it
				loss.Why = fmt.Sprintf("the kernel does not take back %s: %s, and a changed table stands before %s",
					part, Cause(err), byTable[t][0])
				return loss
			}
			continue
		}
		before = true
		one := &Ruleset{Gen: r.Gen, Parts: byTable[t]}
		if part, err := n.putRuleset(one, one, look); part != nil {
			loss.Why = fmt.Sprintf("the kernel does not take back %s: %s", part, Cause(err))
			return loss
		} else if err != nil {
			return fail(err, "look at ruleset", "", n)
		}
	}
	return nil
}

// putRuleset deletes tables, and adds what they were. part is what the kernel refused.
func (n *Namespace) putRuleset(was, now *Ruleset, how take) (part Nfmsg, err error) {
	c, err := n.speak(unix.NETLINK_NETFILTER)
	if err != nil || len(was.Parts) == 0 && len(now.Parts) == 0 {
		return nil, err
	}
	old, order := was.tables()
	have, there := now.tables()
	var msgs []rtnl.Message
	var of []Nfmsg
	for _, t := range there {
		i := slices.Index(order, t)
		if (i == 0 && how == inOrder || i >= 0 && how == alone) && sameTable(have[t], old[t]) {
			order = slices.Delete(order, i, i+1)
			continue
		}
		body := AppendAttr(slices.Clone(have[t][0][1:nfHeader]), nfTable, have[t][0].attr(nfTable))
		msgs, of = append(msgs, rtnl.Message{Type: unix.NFT_MSG_DELTABLE, Body: body}), append(of, have[t][0])
	}
	for _, t := range order {
		counted := map[string]Nfmsg{}
		for _, p := range have[t] {
			counted[p.identity()] = p
		}
		for i, p := range old[t] {
			if live := counted[p.identity()]; live != nil {
				p = live
			}
			flags := unix.NLM_F_CREATE
			if p.command() == unix.NFT_MSG_NEWRULE {
				flags |= unix.NLM_F_APPEND
			}
			msgs = append(msgs, rtnl.Message{Type: p.command(), Flags: flags, Body: p.sent(i + 1)[1:]})
			of = append(of, p)
		}
	}
	at, err := c.Batch(n.m.buf, unix.NFNL_SUBSYS_NFTABLES, now.Gen, how != look, msgs)
	if err != nil && at >= 0 && at < len(of) {
		part = of[at]
	}
	return part, err
}
