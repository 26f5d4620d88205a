package builtins

import (
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// kept is a file or a folder that a namespace has for itself.
type kept struct {
	v *runtime.View
	f kernel.File
}

func (k *kept) Freeze()               {}
func (k *kept) Truth() starlark.Bool  { return true }
func (k *kept) String() string        { return k.f.Path }
func (k *kept) Hash() (uint32, error) { return starlark.String(k.f.Kept + "/" + k.f.At).Hash() }
func (k *kept) file() kernel.File     { return k.f }

func (k *kept) same(op syntax.Token, typ string, other *kept) (bool, error) {
	return equal(op, typ, k.f.Kept == other.f.Kept && k.f.At == other.f.At)
}

// fileValue is a file, and folderValue a folder, in a script.
type (
	fileValue   struct{ kept }
	folderValue struct{ kept }
)

var (
	_ starlark.HasAttrs   = (*fileValue)(nil)
	_ starlark.Comparable = (*fileValue)(nil)
	_ starlark.HasAttrs   = (*folderValue)(nil)
	_ starlark.Comparable = (*folderValue)(nil)
)

func (*fileValue) Type() string                                 { return "file" }
func (f *fileValue) Attr(name string) (starlark.Value, error)   { return f.v.Attr("file", f, name) }
func (f *fileValue) AttrNames() []string                        { return f.v.AttrNames("file") }
func (*folderValue) Type() string                               { return "folder" }
func (f *folderValue) Attr(name string) (starlark.Value, error) { return f.v.Attr("folder", f, name) }
func (f *folderValue) AttrNames() []string                      { return f.v.AttrNames("folder") }

func (f *fileValue) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	return f.same(op, "file", &other.(*fileValue).kept)
}

func (f *folderValue) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	return f.same(op, "folder", &other.(*folderValue).kept)
}

// value is what a script has of a file or a folder.
func (o *addFile) value(v *runtime.View) starlark.Value {
	if o.Dir {
		return &folderValue{kept{v, o.File}}
	}
	return &fileValue{kept{v, o.File}}
}

// filesOf lists the files of a namespace that the run has given it and not deleted.
func filesOf(v *runtime.View, ns kernel.NSRef) (all []starlark.Value) {
	gone := map[string]bool{}
	for _, op := range runtime.Standing[*delFile](v) {
		gone[op.At] = true
	}
	for _, op := range runtime.Standing[*addFile](v) {
		if op.NS.Cookie == ns.Cookie && !gone[op.At] {
			all = append(all, op.value(v))
		}
	}
	return all
}

func fileAttr(name, typ, doc string, get func(v *runtime.View, f kernel.File) (starlark.Value, error)) runtime.Attr {
	return runtime.Attr{Name: name, Type: typ, Doc: doc,
		Get: func(v *runtime.View, r starlark.Value) (starlark.Value, error) {
			return get(v, r.(interface{ file() kernel.File }).file())
		}}
}

// fileAttrs are what files and folders have in common.
var fileAttrs = []runtime.Attr{
	fileAttr("path", "string", "where it is seen", func(v *runtime.View, f kernel.File) (starlark.Value, error) {
		return starlark.String(f.Path), nil
	}),
	fileAttr("ns", "namespace", "the namespace that sees it",
		func(v *runtime.View, f kernel.File) (starlark.Value, error) { return &nsValue{v, f.NS}, nil }),
}

var fileType = &runtime.Type{Name: "file",
	Doc: "A file that a namespace has for itself, which file() has made. All values of one are equal.",
	Attrs: append(slices.Clone(fileAttrs), fileAttr("text", "string", "what it says now, of at most 16 MiB",
		func(v *runtime.View, f kernel.File) (starlark.Value, error) {
			text, err := v.Machine().ReadFile(f, "")
			return starlark.String(text), err
		}))}

var folderType = &runtime.Type{Name: "folder",
	Doc: "A folder that a namespace has for itself, which folder() has made. All values of one are equal.",
	Attrs: append(slices.Clone(fileAttrs), fileAttr("names", "list of string",
		"the names of what is in it now, in their order", func(v *runtime.View, f kernel.File) (starlark.Value, error) {
			names, err := v.Machine().ListFiles(f)
			slices.Sort(names)
			return stringList(names), err
		}))}

var fileWriteDecl = runtime.Change("file.write", "None",
	"Replaces what the file says, also for programs that run already. Undoing that has it say what it said before.",
	&fileWriteArgs{})

type fileWriteArgs struct {
	File *fileValue `arg:"file" doc:"the file"`
	Text textArg    `arg:"text" doc:"what it is to say, UTF-8"`
}

func (a *fileWriteArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	op := &setFile{fileOp: fileOp{a.File.f}}
	op.Text = string(a.Text)
	return starlark.None, tx.Apply(op)
}

var folderReadDecl = runtime.Query("folder.read", "string",
	"Reads a regular file in the folder, of at most 16 MiB. No symbolic link is followed out of the folder.",
	&folderReadArgs{})

type folderReadArgs struct {
	Folder *folderValue `arg:"folder" doc:"the folder"`
	Path   string       `arg:"path" doc:"its path in the folder"`
}

func (a *folderReadArgs) Query(v *runtime.View) (starlark.Value, error) {
	text, err := v.Machine().ReadFile(a.Folder.f, a.Path)
	return starlark.String(text), err
}

var fileDeleteDecl = runtime.Change("file.delete", "None",
	"Takes the file away: programs that are started from then on see what the machine has there.", &fileDeleteArgs{})

type fileDeleteArgs struct {
	File *fileValue `arg:"file" doc:"the file"`
}

func (a *fileDeleteArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return starlark.None, tx.Apply(&delFile{fileOp{a.File.f}, a.File.f.FreeAside()})
}

var folderDeleteDecl = runtime.Change("folder.delete", "None",
	"Takes the folder away, with all that is in it: programs that are started from then on see what the machine has "+
		"there.", &folderDeleteArgs{})

type folderDeleteArgs struct {
	Folder *folderValue `arg:"folder" doc:"the folder"`
}

func (a *folderDeleteArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return starlark.None, tx.Apply(&delFile{fileOp{a.Folder.f}, a.Folder.f.FreeAside()})
}
