package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var namespacesDecl = runtime.Query("namespaces", "list of namespace",
	"Lists the namespaces that the lab has made and not deleted, oldest first.", &namespacesArgs{})

type namespacesArgs struct{}

func (*namespacesArgs) Query(v *runtime.View) (starlark.Value, error) {
	var all []starlark.Value
	for _, ref := range v.Namespaces() {
		all = append(all, &nsValue{v, ref})
	}
	return starlark.NewList(all), nil
}
