package kernel

import (
	"fmt"
	"math"
	"strings"
)

// A LinkRef is what a journal writes of a link: the namespace it was in, its interface index, and its name for people.
type LinkRef struct {
	NS    NSRef  `json:"ns"`
	Index int    `json:"index"`
	Gen   int    `json:"gen,omitempty"` // how many links had the index before it that the run moved away
	Name  string `json:"name"`
}

// loopback is the index of lo in every namespace (LOOPBACK_IFINDEX in include/linux/netdevice.h).
const loopback = 1

// Object is the link's identity.
func (r LinkRef) Object() Object { return Object{r.NS.Cookie, r.Index, r.Gen} }

func (r LinkRef) String() string { return r.Name }

// Valid says what is wrong with a reference: its index must be one that the kernel gives, and its name one that the
// kernel takes (dev_valid_name in net/core/dev.c), which is more than a script may choose.
func (r LinkRef) Valid() error {
	if err := validIndex(r.Index); err != nil {
		return err
	}
	if r.Gen < 0 {
		return fmt.Errorf("%d links cannot have been moved away", r.Gen)
	}
	return validDevName(r.Name)
}

func validIndex(index int) error {
	if index < 1 || index > math.MaxInt32 {
		return fmt.Errorf("%d is no index of a link", index)
	}
	return nil
}

func validDevName(name string) error {
	if name == "" || len(name) > 15 || name == "." || name == ".." || strings.ContainsAny(name, "/: \t\n\v\f\r\x00") {
		return fmt.Errorf("%q is no name of a link", name)
	}
	return nil
}

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
