package kernel

import (
	"fmt"
	"strings"
)

// ValidLinkName says which rule a link's name breaks. The kernel itself takes names such as "-x" or ones with escape
// characters, and expands "%d", so the rules here are narrower than dev_valid_name(): 1 to 15 bytes of letters, digits,
// '.', '_' and '-', the first a letter or digit; "all" and "default" are taken by sysctl's conf/ folders.
func ValidLinkName(name string) error {
	if err := validName("link", name, 15); err != nil {
		return err
	}
	if name == "all" || name == "default" {
		return fmt.Errorf("link name %q is reserved: /proc/sys/net/ipv4/conf/%s stands for it", name, name)
	}
	return nil
}

// ValidNamespaceName says which rule a namespace's name breaks: 1 to 64 bytes of letters, digits, '.', '_' and '-',
// the first a letter or digit; "host" is the word for the namespace that nsscript started in.
func ValidNamespaceName(name string) error {
	if name == "host" {
		return fmt.Errorf("namespace name %q is reserved: it is the namespace nsscript started in", name)
	}
	return validName("namespace", name, 64)
}

func validName(what, name string, most int) error {
	switch {
	case name == "":
		return fmt.Errorf("%s name is empty", what)
	case len(name) > most:
		return fmt.Errorf("%s name %q is %d bytes long, at most %d are allowed", what, name, len(name), most)
	case !alnum(rune(name[0])):
		return fmt.Errorf("%s name %q begins with %q: the first character must be a letter or a digit", what, name, name[:1])
	}
	for _, r := range name {
		if !alnum(r) && !strings.ContainsRune("._-", r) {
			return fmt.Errorf("%s name %q has %q in it: only letters, digits, '.', '_' and '-' are allowed", what, name, r)
		}
	}
	return nil
}

func alnum(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
