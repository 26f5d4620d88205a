package builtins

import (
	"fmt"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "batadv", Args: &batadvArgs{}, Prefix: "bat", Module: "batman-adv",
	Config: "BATMAN_ADV", Kernel: "linux-image-6.12-amd64",
	Doc: "Makes a batadv link: a mesh of Ethernet over its ports, which find their ways to each other. It is not " +
		"made again when its deletion is undone: the kernel does not show what it was set to."})

type batadvArgs struct {
	NS    nsArg     `arg:"ns" doc:"namespace that it is in"`
	_     struct{}  `arg:"*"`
	Ports []linkArg `arg:"ports?" doc:"links of the namespace that become its ports"`
	newLinkArgs
	Algo *batadvAlgo `arg:"ra?" nla:"1" doc:"routing algorithm, which it keeps and does not show: BATMAN_IV or BATMAN_V; BATMAN_IV when left out"`
}

func (a *batadvArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeMaster(tx, a.NS.NSRef, a, &a.newLinkArgs, a.Ports)
}

// batadvAlgo is the name of a routing algorithm.
type batadvAlgo string

var batadvAlgos = []string{"BATMAN_IV", "BATMAN_V"}

func (batadvAlgo) ArgType() string                      { return "string" }
func (batadvAlgo) Choices(*runtime.Vocabulary) []string { return batadvAlgos }
func (a batadvAlgo) encode() []byte                     { return append([]byte(a), 0) }
func (a *batadvAlgo) decode(data []byte)                { *a = batadvAlgo(unix.ByteSliceToString(data)) }
func (a batadvAlgo) ip(word string) string              { return fmt.Sprint(word, " ", string(a)) }
func (a batadvAlgo) value() starlark.Value              { return starlark.String(a) }
func (a *batadvAlgo) Unpack(val starlark.Value) error {
	s, err := choice(val, batadvAlgos)
	*a = batadvAlgo(s)
	return err
}
