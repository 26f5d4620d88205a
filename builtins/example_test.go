package builtins_test

import (
	"context"
	"fmt"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/builtins"
	"github.com/nsscript/nsscript/runtime"
)

// greet is a builtin of the embedding program's own: its tagged fields are the parameters.
type greet struct {
	Name string `arg:"name" doc:"whom to greet"`
}

func (g *greet) Query(v *runtime.View) (starlark.Value, error) {
	return starlark.String("hello " + g.Name), nil
}

// Another program runs a scenario with a builtin of its own, and takes the lab down again.
func Example() {
	voc := builtins.All()
	voc.Decls = append(voc.Decls, runtime.Query("greet", "string", "Greets somebody.", &greet{}))
	program, err := voc.Parse("embedded.star", []byte(`
a, b = veth(netns("red"), netns("blue"), addrs = ("10.0.0.1/24", "10.0.0.2/24"))
print(greet("blue"), ping(a.ns, b.ip, count = 1).received)
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := runtime.NewSession(runtime.Options{Vocabulary: voc, Lab: "embedded"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	err = s.Run(context.Background(), program)
	undoing, e := s.Rollback()
	fmt.Println(err, undoing.Undone, len(undoing.Left), e)
	// Output:
	// hello blue 1
	// <nil> 6 0 <nil>
}
