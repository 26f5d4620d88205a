package builtins

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// A tcTable is one of the kernel's tables of traffic control, by the kinds of what is in it.
type tcTable interface{ kinds() []*tcKind }

type (
	ofQdiscs  struct{}
	ofClasses struct{}
	ofFilters struct{}
)

func (ofQdiscs) kinds() []*tcKind  { return qdiscKinds }
func (ofClasses) kinds() []*tcKind { return classKinds }
func (ofFilters) kinds() []*tcKind { return filterKinds }

// tcTables are all, by the kernel's names of them.
var tcTables = map[string]tcTable{"qdisc": ofQdiscs{}, "tc_class": ofClasses{}, "tc_filter": ofFilters{}}

// tcNamed is the kind of a name, nil when there is none.
func tcNamed(kinds []*tcKind, name string) *tcKind {
	if i := slices.IndexFunc(kinds, func(k *tcKind) bool { return k.Name == name }); i >= 0 {
		return kinds[i]
	}
	return nil
}

// tcNameOf is the name of an entry's kind.
func tcNameOf(e kernel.Entry) string { return unix.ByteSliceToString(e.Attr(1)) }

// tcKindOf is the kind of an entry, nil when it is one that nsscript has no words for.
func tcKindOf(e kernel.Entry) *tcKind {
	if t := tcTables[e.Table]; t != nil {
		return tcNamed(t.kinds(), tcNameOf(e))
	}
	return nil
}

// tcName is the name of a kind, or in what is read any.
type tcName[T tcTable] string

func (tcName[T]) ArgType() string         { return "string" }
func (a tcName[T]) String() string        { return string(a) }
func (a tcName[T]) encode() []byte        { return append([]byte(a), 0) }
func (a *tcName[T]) decode(data []byte)   { *a = tcName[T](unix.ByteSliceToString(data)) }
func (a tcName[T]) ip(string) string      { return string(a) }
func (a tcName[T]) value() starlark.Value { return starlark.String(a) }
func (tcName[T]) Choices(*runtime.Vocabulary) (all []string) {
	var t T
	for _, k := range t.kinds() {
		all = append(all, k.Name)
	}
	slices.Sort(all)
	return all
}
func (a *tcName[T]) Unpack(val starlark.Value) error {
	s, err := choice(val, a.Choices(nil))
	for other, t := range tcTables {
		if name, _ := starlark.AsString(val); err != nil && tcNamed(t.kinds(), name) != nil {
			return fmt.Errorf("%q is made by %s(), and is none of %s", name, other, strings.Join(a.Choices(nil), ", "))
		}
	}
	*a = tcName[T](s)
	return err
}

// tcWords are the parameters of a builtin that are words of one kind or another.
type tcWords[T tcTable] []givenWord

var (
	_ runtime.More = (*tcWords[ofQdiscs])(nil)
	_ runtime.More = (*tcWords[ofClasses])(nil)
	_ runtime.More = (*tcWords[ofFilters])(nil)
)

// Params are the words of all kinds, each once.
func (*tcWords[T]) Params() (all []runtime.Param) {
	var t T
	for _, k := range t.kinds() {
		for _, p := range k.params {
			at := slices.IndexFunc(all, func(o runtime.Param) bool { return o.Name == p.Name })
			if at < 0 {
				at = len(all)
				all = append(all, p)
				all[at].Doc = ""
			}
			all[at].Doc = ofKind(all[at].Doc, k.Name, p.Doc)
		}
	}
	return all
}

// Give takes what one of the kinds would take.
func (a *tcWords[T]) Give(v *runtime.View, name string, val starlark.Value) (err error) {
	var t T
	for _, k := range t.kinds() {
		if w := k.word(name); w != nil {
			_, e := w.given(v, val)
			if e == nil {
				*a = append(*a, givenWord{name, val})
				return nil
			}
			if err == nil {
				err = e
			}
		}
	}
	return err
}

// Beside are the links that are given, and those of actions.
func (a *tcWords[T]) Beside() (all []kernel.LinkRef) {
	for _, g := range *a {
		switch val := g.val.(type) {
		case *linkValue:
			all = append(all, val.current())
		default:
			var acts tcActions
			if acts.Unpack(val) == nil {
				for _, one := range acts {
					all = append(all, one.on...)
				}
			}
		}
	}
	return all
}

// whole are the words as those of a new one of a kind.
func (a tcWords[T]) whole(v *runtime.View, k *tcKind) (map[string]kindAttr, error) {
	given, err := a.of(v, k)
	for _, p := range k.params {
		if err == nil && p.Required && given[p.Name] == nil {
			err = fmt.Errorf("%s needs %s=: %s", k.Name, p.Name, p.Doc)
		}
	}
	return given, err
}

// of are the words as those of one kind.
func (a tcWords[T]) of(v *runtime.View, k *tcKind) (map[string]kindAttr, error) {
	given := map[string]kindAttr{}
	for _, g := range a {
		w := k.word(g.name)
		if w == nil {
			var t T
			var have []string
			for _, o := range t.kinds() {
				if o.word(g.name) != nil {
					have = append(have, o.Name)
				}
			}
			return nil, fmt.Errorf("%s has no %s=, which is of %s", k.Name, g.name, strings.Join(have, ", "))
		}
		attr, err := w.given(v, g.val)
		if err != nil {
			return nil, fmt.Errorf("parameter %q: %w", g.name, err)
		}
		given[g.name] = attr
	}
	return given, nil
}

// tcSetArgs are those of a value's set.
type tcSetArgs[T tcTable] struct {
	Entry *entryValue `arg:"self" doc:"what is set"`
	_     struct{}    `arg:"*"`
	Own   tcWords[T]  `arg:"..."`
	runtime.Irreversible
}

// Change sets some words of what is there, over those that it has.
func (a *tcSetArgs[T]) Change(tx *runtime.Tx) (starlark.Value, error) {
	e := a.Entry
	found, err := tx.Machine().FindEntry(e.entry)
	if err == nil && found == nil {
		err = &kernel.Error{Op: "set " + e.Type(), Object: e.String(), NS: e.entry.NS.String(), Err: kernel.ErrGone}
	}
	if err != nil {
		return nil, err
	}
	k := tcKindOf(*found)
	if k == nil {
		return nil, fmt.Errorf("%s.set: nsscript has no words for it", e.Type())
	}
	given, err := a.Own.of(tx.View, k)
	if err != nil {
		return nil, fmt.Errorf("%s.set: %w", e.Type(), err)
	}
	return nil, changeTC(tx, k, *found, found.Options(), given)
}
