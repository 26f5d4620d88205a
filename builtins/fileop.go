package builtins

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/kernel"
)

// A fileOp changes a file that a namespace has for itself. It does not go with the namespace, so it touches nothing
// whose undoing would undo it.
type fileOp struct{ kernel.File }

func (o *fileOp) Touches() []kernel.Object { return nil }
func (o *fileOp) Claims() []change.Claim   { return nil }

// at ends a command with what the file is, which is kept at some place that says nothing.
func (o *fileOp) at() string {
	return fmt.Sprintf("%s/%s # %s in %s", quoted(o.Kept), quoted(o.At), o.File.String(), o.NS)
}

// addFile gives a namespace a file or a folder of its own.
type addFile struct{ fileOp }

var _ change.Checkable = (*addFile)(nil)

func (o *addFile) Kind() string                          { return "file add" }
func (o *addFile) Check(m *kernel.Machine, _ bool) error { return m.PlaceFile(&o.File) }
func (o *addFile) Do(m *kernel.Machine) error            { return m.AddFile(o.File) }
func (o *addFile) Undo(m *kernel.Machine) error          { return m.RemoveFile(o.File) }

func (o *addFile) Command() string {
	owner := ""
	if o.User != nil {
		owner = fmt.Sprintf("-o %d -g %d ", o.User.UID, o.User.GID)
	}
	if o.Dir {
		return fmt.Sprintf("install -d -m %o %s%s", o.Mode, owner, o.at())
	}
	return fmt.Sprintf("printf %%s %s | install -D -m %o %s/dev/stdin %s", quoted(o.Text), o.Mode, owner, o.at())
}

// setFile replaces what a file says.
type setFile struct {
	fileOp
	Old string `json:"old"`
}

var _ change.Checkable = (*setFile)(nil)

func (o *setFile) Kind() string    { return "file set" }
func (o *setFile) Command() string { return fmt.Sprintf("printf %%s %s > %s", quoted(o.Text), o.at()) }

func (o *setFile) Check(m *kernel.Machine, _ bool) (err error) {
	if o.Old, err = m.ReadFile(o.File, ""); err == nil {
		err = kernel.ValidFileText(o.Old)
	}
	return err
}

func (o *setFile) Do(m *kernel.Machine) error { return m.WriteFile(o.File, o.Text) }

// Undo is content when programs have removed it: it is theirs as well.
func (o *setFile) Undo(m *kernel.Machine) error {
	err := m.WriteFile(o.File, o.Old)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// delFile takes a file or a folder away.
type delFile struct {
	fileOp
	Aside string `json:"aside"` // what it is called meanwhile
}

var _ change.Checkable = (*delFile)(nil)

func (o *delFile) Kind() string                          { return "file del" }
func (o *delFile) Command() string                       { return "rm -r " + o.at() }
func (o *delFile) Valid() error                          { return errors.Join(o.File.Valid(), o.ValidAside(o.Aside)) }
func (o *delFile) Check(m *kernel.Machine, _ bool) error { return m.HasFile(o.File) }
func (o *delFile) Do(m *kernel.Machine) error            { return m.SetFileAside(o.File, o.Aside) }
func (o *delFile) Undo(m *kernel.Machine) error          { return m.PutFileBack(o.File, o.Aside) }
