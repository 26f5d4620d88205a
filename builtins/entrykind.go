package builtins

import (
	"bytes"
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// An entryKind is what one of the kernel's tables has entries of, declared by the arguments of the builtin that adds
// one. Its parameters, the message, the attributes of its values, the trace and the reference come from that. A field
// that is in the message is tagged as those of links are (linkKind); its nla can also be
//
//	nla:"7&2"      bits of an attribute
//	nla:"@8"       the bytes of the fixed header from 8 on; "@8&2" bits of one of them
//	nla:"1@2"      an attribute, the last byte of which is in the header: the length of a prefix
//	nla:"10,16"    two attributes, each of which has half of it, or as much as the type says
//	nla:"12/1"     the first attribute in the nest of the twelfth
//
// and its ip
//
//	ip:"-"         said without a word
//	ip:"^WORD"     said before all others
//	else:"WORDS"   said when it is not there
//
// and it can be tagged zero:"yes", where the kernel leaves out what is 0. The link that the entry hangs on is tagged
// with the number of words that come before it, dev:"2". A field that has info:"NAME" instead of arg is no parameter.
type entryKind struct {
	Name    string // of the builtin, and of the type of its values
	Command string // what changes it, "ip NAME" when left out
	Doc     string
	Args    runtime.Changer
	Value   string          // doc of the type
	Has     []runtime.Attr  // what values have beside their words
	Tables  []string        // the kernel's, Name when left out
	Key     []string        // the words by which an entry is claimed, where it hangs on no link
	Del     int             // how many words of its command say which one is deleted, all when 0
	Needs   []string        // features
	Set     runtime.Changer // the arguments of its set, nil when it has none
	Fixed   bool            // it is always there: its builtin sets it
	// The attribute of a link, or of a namespace, that lists them; and its doc.
	LinkList, NSList string
	ListDoc          string
	// The command line that adds or deletes one, where the program is none of iproute2's.
	Shell func(verb string, e kernel.Entry) string
	// DelVerb is the command's word for a deletion, where that is not "del".
	DelVerb string
	// The words of an entry, where its tags do not say all of them.
	Text func(e kernel.Entry) []string

	decls []*runtime.Decl
	typ   *runtime.Type
	words []entryWord
	sets  []entryWord // of Set
	dev   int         // how many words come before the link that it hangs on; -1: it hangs on none
}

// entryKinds are all, by the tables that they are of.
var entryKinds = map[string]*entryKind{}

// declareEntry is called once for a kind of entry, by its file.
func declareEntry(k entryKind) *entryKind {
	k.Command = cmp.Or(k.Command, "ip "+k.Name)
	if k.Tables == nil {
		k.Tables = []string{k.Name}
	}
	args := reflect.TypeOf(k.Args).Elem()
	docs := map[string]string{}
	k.dev = -1
	for _, f := range reflect.VisibleFields(args) {
		name := strings.TrimSuffix(cmp.Or(f.Tag.Get("arg"), f.Tag.Get("info")), "?")
		docs[name], _, _ = strings.Cut(f.Tag.Get("doc"), ";")
		if dev, ok := f.Tag.Lookup("dev"); ok {
			k.dev, _ = strconv.Atoi(dev)
		}
	}
	k.words = entryWordsOf(args)
	if k.Fixed {
		k.Set = k.Args
	}
	if k.Set != nil {
		k.sets = entryWordsOf(reflect.TypeOf(k.Set).Elem())
	}
	k.typ = &runtime.Type{Name: k.Name, Doc: k.Value}
	for _, w := range k.words {
		if w.secret != 0 {
			continue
		}
		k.typ.Attrs = append(k.typ.Attrs, w.reader(docs[w.name]))
	}
	if k.dev >= 0 {
		k.typ.Attrs = append(k.typ.Attrs, entryAttr("link", "link or None", "the link that it is of",
			func(v *runtime.View, e kernel.Entry) (starlark.Value, error) {
				if e.Link == nil {
					return starlark.None, nil
				}
				return &linkValue{v, *e.Link}, nil
			}))
	}
	k.typ.Attrs = append(append(k.typ.Attrs, k.Has...), entryNS)
	k.decls = []*runtime.Decl{runtime.Change(k.Name, k.Name, k.Doc, k.Args).Needing(k.Needs...)}
	if !k.Fixed {
		k.decls = append(k.decls, runtime.Change(k.Name+".delete", "None", "Deletes it.", &entryDeleteArgs{}))
		if k.Set != nil {
			k.decls = append(k.decls, runtime.Change(k.Name+".set", "None", "Changes what is given of it.", k.Set))
		}
	}
	text := k.text
	if k.Text != nil {
		text = k.Text
	}
	for _, table := range k.Tables {
		entryKinds[table] = &k
		kernel.Describe(table, text)
	}
	return &k
}

// allEntries are the kinds of entries in the order of their names.
func allEntries() []*entryKind {
	all := slices.SortedFunc(maps.Values(entryKinds),
		func(a, b *entryKind) int { return strings.Compare(a.Name, b.Name) })
	return slices.Compact(all)
}

func entryDecls() (all []*runtime.Decl) {
	for _, k := range allEntries() {
		all = append(all, k.decls...)
	}
	return all
}

func entryTypes() (all []*runtime.Type) {
	for _, k := range allEntries() {
		all = append(all, k.typ)
	}
	return all
}

// entryOps are the ops of all of them, whose kinds are told apart by the table.
func entryOps() (all []change.Op) {
	for _, table := range slices.Sorted(maps.Keys(entryKinds)) {
		e, k := kernel.Entry{Table: table}, entryKinds[table]
		if !k.Fixed {
			all = append(all, &addEntry{Entry: e}, &delEntry{Entry: e})
		}
		if k.Set != nil {
			all = append(all, &setEntry{Entry: e})
		}
	}
	return all
}

// listing is the type of namespaces or of links, with the attributes that list their entries.
func listing(t *runtime.Type) *runtime.Type {
	with := *t
	for _, k := range allEntries() {
		name := map[string]string{"namespace": k.NSList, "link": k.LinkList}[t.Name]
		if name == "" {
			continue
		}
		get := func(v *runtime.View, of starlark.Value) (starlark.Value, error) {
			if l, ok := of.(*linkValue); ok {
				ref := l.current()
				return k.entries(v, ref.NS, &ref)
			}
			n, err := of.(*nsValue).open()
			if err != nil {
				return nil, err
			}
			return k.entries(v, n.Ref(), nil)
		}
		with.Attrs = append(slices.Clip(with.Attrs), runtime.Attr{Name: name, Type: "list of " + k.Name,
			Doc: k.ListDoc, Aside: t.Name == "namespace", Get: get})
	}
	return &with
}

// text is an entry in the words of its command.
func (k *entryKind) text(e kernel.Entry) (words []string) {
	var first []string
	for i := range len(k.words) + 1 {
		switch {
		case i != k.dev || e.Link == nil || k.Shell != nil:
		case e.Master != "":
			words = append(words, "dev", e.Master, "port", e.Link.Name)
		default:
			words = append(words, "dev", e.Link.Name)
		}
		if i == len(k.words) {
			break
		}
		w := &k.words[i]
		said := w.none
		if a := w.in(e.Shown()); a != nil {
			said = inWords(e, a, w.ip)
		}
		if w.first {
			first = append(first, strings.Fields(said)...)
		} else {
			words = append(words, strings.Fields(said)...)
		}
	}
	return append(first, words...)
}

// inWords is what ip(8) says of an attribute. Links that it names by their indexes have their names where these are
// known.
func inWords(e kernel.Entry, a kindAttr, word string) string {
	said := a.ip(word)
	if _, ok := a.(runtime.Beside); !ok {
		return said
	}
	words := strings.Fields(said)
	for i, w := range words {
		for _, l := range e.Links {
			if w == "if"+itoa(l.Index) {
				words[i] = l.Name
			}
		}
	}
	return strings.Join(words, " ")
}

// nameLinks finds the links beside the one that an entry hangs on.
func (k *entryKind) nameLinks(n *kernel.Namespace, e *kernel.Entry) error {
	for i := range k.words {
		named, ok := k.words[i].in(*e).(runtime.Beside)
		if !ok || len(named.Beside()) == 0 {
			continue
		}
		links, err := n.Links()
		if err != nil {
			return err
		}
		for _, l := range links {
			if slices.ContainsFunc(named.Beside(), func(o kernel.LinkRef) bool { return o.Index == l.Index }) {
				e.Links = append(e.Links, l.LinkRef)
			}
		}
	}
	return nil
}

// addNew adds the entry that has these arguments. What else its header has to say is set by its builtin, in finish.
func addNew(
	tx *runtime.Tx, e kernel.Entry, args runtime.Changer, finish func(msg []byte) []byte,
) (starlark.Value, error) {
	op := &addEntry{Entry: newEntry(e, args, finish)}
	e = op.Entry
	e.Whole = nil
	return &entryValue{tx.View, e}, tx.Apply(op)
}

// newEntry is the entry that has these arguments.
func newEntry(e kernel.Entry, args runtime.Changer, finish func(msg []byte) []byte) kernel.Entry {
	k := kindOfArgs(args)
	e.Table = cmp.Or(e.Table, k.Name)
	return fillEntry(e, kernel.Blank(e), k.words, args, finish)
}

// kindOfArgs is the kind that has these arguments, for its builtin or for its set.
func kindOfArgs(args runtime.Changer) *entryKind {
	all := allEntries()
	return all[slices.IndexFunc(all, func(k *entryKind) bool {
		return reflect.TypeOf(k.Args) == reflect.TypeOf(args) || reflect.TypeOf(k.Set) == reflect.TypeOf(args)
	})]
}

// fillEntry adds to a message what the arguments say.
func fillEntry(
	e kernel.Entry, msg []byte, words []entryWord, args runtime.Changer, finish func(msg []byte) []byte,
) kernel.Entry {
	fields, data, nests := reflect.ValueOf(args).Elem(), kindData{}, map[int]*kindData{}
	whole, secret := kindData{}, false
	for i := range words {
		field := fields.FieldByIndex(words[i].field)
		if field.Kind() == reflect.Pointer {
			if field.IsNil() {
				continue
			}
			field = field.Elem()
		}
		a := field.Addr().Interface().(kindAttr)
		if named, ok := a.(runtime.Beside); ok {
			e.Links = append(e.Links, named.Beside()...)
		}
		if flag, ok := a.(flagged); ok && !flag.flag() || absent(a) {
			continue
		}
		words[i].put(msg, a, &data, nests)
		if _, ok := a.(hiddenAttr); ok {
			secret = true
			whole.add(words[i].four, a.encode())
		} else {
			words[i].put(msg, a, &whole, map[int]*kindData{})
		}
	}
	if secret { // of what has no nests
		e.Whole = finish(append(bytes.Clone(msg), whole.message()...))
	}
	msg = append(msg, data.message()...)
	for _, nest := range slices.Sorted(maps.Keys(nests)) {
		msg = kernel.AppendAttr(msg, nest|unix.NLA_F_NESTED, nests[nest].message())
	}
	e.Msg = finish(msg)
	return e
}

// claimed names an entry by its key.
func (k *entryKind) claimed(e kernel.Entry) string {
	name := k.Name
	for i := range k.words {
		if w := &k.words[i]; slices.Contains(k.Key, w.name) {
			if a := w.in(e); a != nil {
				name += " of " + w.name + " " + a.value().String()
			}
		}
	}
	return name
}
