package script

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Among is x in y. It fails where a text is looked for among values that have attributes, such as routes: it is equal
// to none of them, whatever they print as.
func Among(x, y starlark.Value) (starlark.Value, error) {
	found, err := starlark.Binary(syntax.IN, x, y)
	if _, text := x.(starlark.String); !text || err != nil || found != starlark.False {
		return found, err
	}
	all, ok := y.(starlark.Iterable)
	if !ok {
		return found, nil
	}
	typ := ""
	for v := range starlark.Elements(all) {
		switch v.(type) {
		case starlark.String:
			return found, nil
		case *starlark.List, *starlark.Dict, *starlark.Set, starlark.Bytes:
		case starlark.HasAttrs:
			typ = v.Type()
		}
	}
	if typ != "" {
		return nil, fmt.Errorf("a string is never in a %s of %s: want %s in [str(x) for x in ...], "+
			"or an attribute of them", y.Type(), typ, Show(x))
	}
	return found, nil
}
