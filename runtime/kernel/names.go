package kernel

import (
	"fmt"
	"strings"
)

func validName(what, name string, most int) error {
	switch {
	case name == "":
		return fmt.Errorf("%s name is empty", what)
	case len(name) > most:
		return fmt.Errorf("%s name %q is %d bytes long, at most %d are allowed", what, name, len(name), most)
	case !alnum(rune(name[0])):
		return fmt.Errorf("%s name %q begins with %q: the first character must be a letter or a digit",
			what, name, name[:1])
	}
	for _, r := range name {
		if !alnum(r) && !strings.ContainsRune("._-", r) {
			return fmt.Errorf("%s name %q has %q in it: only letters, digits, '.', '_' and '-' are allowed", what, name,
				r)
		}
	}
	return nil
}

func alnum(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
