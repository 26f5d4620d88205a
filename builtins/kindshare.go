package builtins

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// share gives a link that is to be made what those on the same link have in common, and refuses something else, which
// the kernel would give to all of them.
func (k *linkKind) share(m *kernel.Machine, op *addLink) error {
	other, err := m.Sibling(k.Name, *op.Lower)
	if err != nil || other == nil {
		return err
	}
	for _, w := range k.words {
		if !kernel.Shares(k.Name, w.four) {
			continue
		}
		has, given := w.read(other.Info), kernel.InfoAttr(op.Data, w.four)
		switch {
		case has == nil:
		case given == nil:
			op.Data = append(op.Data, w.message(has.encode())...)
			op.Words = append(op.Words, has.ip(w.ip))
		case !bytes.Equal(given, has.encode()):
			return &kernel.Error{Op: "add " + k.Name, Object: op.Name, NS: op.NS.String(),
				Err: fmt.Errorf("%w: %s of %s in %s is %s, and is the same of all links on %s", unix.EBUSY,
					w.name, other.Name, other.NS, has.value(), op.Lower.Name),
				Hint: fmt.Sprintf("set(%s = %s) of one changes all of them", w.name, w.shown(op.Data).value())}
		}
	}
	return nil
}
