package builtins

import (
	"fmt"
	"strconv"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// fileDecls are the builtins about files that a namespace has for itself.
var fileDecls = []*runtime.Decl{fileDecl, folderDecl, fileWriteDecl, fileDeleteDecl, folderReadDecl, folderDeleteDecl}

const fileDoc = " Programs that are started in the namespace from then on (run(), spawn(), nsscript exec and " +
	"shell) see it there, in place of what the machine has at that path, and nobody else does; what the machine does " +
	"not have of the path need not be there. It goes with the lab, with all that programs have written to it; a kept " +
	"lab keeps it."

var fileDecl = runtime.Change("file", "file",
	"Gives a namespace a file of its own, such as /etc/resolv.conf."+fileDoc+
		" In a folder() of the namespace it is a file like any other there. Elsewhere it can be written to, and not "+
		"be replaced by another file (EBUSY of rename(2)), which some programs do to what they configure: give them "+
		"a folder(). In such a place it also comes before what is in /etc/netns/NAME.",
	&fileArgs{Mode: 0o644})

type fileArgs struct {
	NS   nsArg    `arg:"ns" doc:"the namespace"`
	Path pathArg  `arg:"path" doc:"where it is seen, such as \"/etc/resolv.conf\"; not below /proc, /sys and /dev"`
	Text textArg  `arg:"text?" doc:"what is in it, UTF-8; nothing when left out"`
	_    struct{} `arg:"*"`
	Mode modeArg  `arg:"mode?" doc:"permissions in octal digits, as chmod(1) takes them, such as \"600\""`
	User *userArg `arg:"user?" doc:"user who owns it, a name or a number; nsscript's own when left out"`
}

func (a *fileArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return addNewFile(tx, kernel.File{NS: a.NS.NSRef, Path: string(a.Path), Text: string(a.Text), Mode: uint32(a.Mode)},
		a.User)
}

var folderDecl = runtime.Change("folder", "folder",
	"Gives a namespace a folder of its own, which is empty, such as /run or /etc/frr."+fileDoc+
		" All programs of the namespace share it. What a program makes in the folder above is its own alone where "+
		"that has stood in for the machine's, which does not have this one.",
	&folderArgs{Mode: 0o755})

type folderArgs struct {
	NS   nsArg    `arg:"ns" doc:"the namespace"`
	Path pathArg  `arg:"path" doc:"where it is seen, such as \"/run/frr\"; not below /proc, /sys and /dev"`
	_    struct{} `arg:"*"`
	Mode modeArg  `arg:"mode?" doc:"permissions in octal digits, as chmod(1) takes them, such as \"1777\""`
	User *userArg `arg:"user?" doc:"user who owns it, a name or a number; nsscript's own when left out"`
}

func (a *folderArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return addNewFile(tx, kernel.File{NS: a.NS.NSRef, Path: string(a.Path), Dir: true, Mode: uint32(a.Mode)}, a.User)
}

func addNewFile(tx *runtime.Tx, f kernel.File, owner *userArg) (starlark.Value, error) {
	if _, err := (&nsValue{tx.View, f.NS}).open(); err != nil {
		return nil, err
	}
	if owner != nil {
		f.User = &owner.User
	}
	op := &addFile{fileOp{f}}
	if err := tx.Apply(op); err != nil {
		return nil, err
	}
	return op.value(tx.View), nil
}

// pathArg is the path of a file in a namespace.
type pathArg string

func (pathArg) ArgType() string { return "string" }

func (a *pathArg) Unpack(val starlark.Value) error {
	s, ok := starlark.AsString(val)
	if !ok {
		return want("string", val)
	}
	*a = pathArg(s)
	return kernel.ValidFilePath(s)
}

// textArg is what a file is to say.
type textArg string

func (textArg) ArgType() string  { return "string" }
func (a textArg) String() string { return string(a) }

func (a *textArg) Unpack(val starlark.Value) error {
	s, ok := starlark.AsString(val)
	if !ok {
		return want("string", val)
	}
	*a = textArg(s)
	return kernel.ValidFileText(s)
}

// modeArg are the permissions of a file.
type modeArg uint32

func (modeArg) ArgType() string  { return "string" }
func (a modeArg) String() string { return fmt.Sprintf("%q", strconv.FormatUint(uint64(a), 8)) }

func (a *modeArg) Unpack(val starlark.Value) error {
	s, ok := starlark.AsString(val)
	if !ok {
		return want(`string such as "644"`, val)
	}
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o1777 {
		return fmt.Errorf("%q are no permissions in octal digits, from \"0\" to \"1777\"", s)
	}
	*a = modeArg(n)
	return nil
}
