package builtins

import (
	"fmt"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/nsscript/nsscript/runtime/script"
)

// jsonModule is go.starlark.net's, but for values and texts that it would write or read without end.
func jsonModule() *starlarkstruct.Module {
	members := starlark.StringDict{}
	for name, fn := range json.Module.Members {
		check := script.Writable
		if name == "decode" || name == "indent" {
			check = shallow
		}
		members[name] = starlark.NewBuiltin("json."+name, script.Checked(fn.(*starlark.Builtin), check))
	}
	return &starlarkstruct.Module{Name: "json", Members: members}
}

// shallow refuses JSON that is nested too deep to be read.
func shallow(args ...starlark.Value) error {
	for _, a := range args {
		text, _ := starlark.AsString(a)
		depth, quoted := 0, false
		for i := 0; i < len(text); i++ {
			switch c := text[i]; {
			case c == '"':
				quoted = !quoted
			case quoted && c == '\\':
				i++
			case !quoted && (c == '[' || c == '{'):
				depth++
			case !quoted && (c == ']' || c == '}'):
				depth--
			}
			if depth > script.MostDepth {
				return fmt.Errorf("the text is nested more than %d deep", script.MostDepth)
			}
		}
	}
	return nil
}
