package change

import (
	"context"
	"fmt"
	"slices"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// takingName prepares for a namespace's end. A link that was moved into it and could not be brought back would end
// with it.
func (r *rollback) takingName(ref kernel.NSRef) (err error) {
	for _, f := range r.failed {
		if mover, ok := f.Op.(Mover); ok && !f.final() {
			if from, to := mover.Moves(); to.NS.Cookie == ref.Cookie && !r.m.Restored(to.Object()) {
				return fmt.Errorf("link %s is still in it", from.Name)
			}
		}
	}
	if r.watch == nil {
		r.watch, err = r.m.Watch(r.names)
	}
	return err
}

// tornDown waits for the namespaces that lost their names. It says of those that do not go who holds them.
func (r *rollback) tornDown() map[uint64]string {
	if r.watch == nil {
		return nil
	}
	stay := map[uint64]bool{}
	for _, ref := range r.names {
		stay[ref.Cookie] = r.left(ref)
	}
	return r.watch.Wait(context.Background(), Patience, stay)
}

// going reports whether something that could not be undone will go by itself: the kernel takes the links in a namespace
// away a moment after that has gone, and with them their other ends.
func (r *rollback) going(held map[uint64]string) bool {
	return r.watch != nil && slices.ContainsFunc(r.failed, func(f failure) bool {
		return !f.final() && slices.ContainsFunc(f.Op.Touches(), func(o kernel.Object) bool {
			_, is := held[o.Cookie]
			return !is && slices.ContainsFunc(r.names, func(ref kernel.NSRef) bool {
				return ref.Cookie == o.Cookie && !r.left(ref)
			})
		})
	})
}

// left reports whether a namespace's making or deletion is among what could not be undone.
func (r *rollback) left(ref kernel.NSRef) bool {
	return slices.ContainsFunc(r.failed, func(f failure) bool {
		p, makes := f.Op.(Namer)
		u, deletes := f.Op.(Unnamer)
		return makes && p.Names().Cookie == ref.Cookie || deletes && u.Unnames().Cookie == ref.Cookie
	})
}
