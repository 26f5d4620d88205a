package builtins

import (
	"strings"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// Commands are what an op would be in a shell: they work when they are pasted into one.

// in is `ip` with the option that names a namespace.
func in(ref kernel.NSRef) string {
	if ref.Name == "" {
		return "ip "
	}
	return "ip -n " + netnsWord(ref) + " "
}

// execIn is a command that takes no namespace itself, in one.
func execIn(ref kernel.NSRef, cmd string) string {
	switch where := netnsWord(ref); {
	case ref.Name == "":
		return cmd
	case where == ref.Name:
		return "ip netns exec " + where + " " + cmd
	default:
		return "nsenter --net=" + where + " " + cmd
	}
}

// netnsWord is how ip(8) is told a namespace: by its name, or a path where it has none. The host's is that of the
// machine's first process.
func netnsWord(ref kernel.NSRef) string {
	switch {
	case ref.Name == "":
		return "1"
	case ref.Path == "" || ref.Path == "/run/netns/"+ref.Name:
		return ref.Name
	}
	return quoted(ref.Path)
}

// quoted is a text as one word of a shell's.
func quoted(s string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
			strings.ContainsRune("._-/:=+,@", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
