package kernel

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// An NSRef is what a journal writes of a namespace: its identity, and the path it can be opened by.
type NSRef struct {
	Cookie uint64 `json:"cookie"`
	Name   string `json:"name,omitempty"`
	Path   string `json:"path,omitempty"`
	Token  string `json:"token,omitempty"` // what the file below its mount says, for one that a run made
}

func (r NSRef) String() string {
	if r.Name == "" {
		return "host"
	}
	return r.Name
}

// Object is the namespace's identity.
func (r NSRef) Object() Object { return Object{Cookie: r.Cookie} }

// Valid says what is wrong with a reference: it must identify a namespace, and its path must mean the same to every
// process.
func (r NSRef) Valid() error {
	switch {
	case r.Cookie == 0:
		return errors.New("a namespace has no cookie")
	case r.Path != "" &&
		(!filepath.IsAbs(r.Path) || filepath.Clean(r.Path) != r.Path || strings.Contains(r.Path, "\x00")):
		return fmt.Errorf("a namespace has the path %q", r.Path)
	case strings.ContainsAny(r.Name, "/\x00"):
		return fmt.Errorf("a namespace has the name %q", r.Name)
	case strings.Trim(r.Token, "0123456789abcdefghijklmnopqrstuvwxyz") != "":
		return fmt.Errorf("a namespace has the token %q", r.Token)
	}
	return nil
}

// Named says what is wrong with the path of a namespace that has, had or will have a name: it must be a file in
// /run/netns and nowhere else.
func (r NSRef) Named() error {
	if filepath.Dir(r.Path) != netnsDir || filepath.Clean(r.Path) != r.Path {
		return fmt.Errorf("%q is no name in %s", r.Path, netnsDir)
	}
	return nil
}
