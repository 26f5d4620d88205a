package script

import (
	"strings"

	"go.starlark.net/starlark"
)

// foreignNames are names that people bring from elsewhere, and what stands for them here.
var foreignNames = eachName(map[string]string{
	"true":                        "in Starlark it is True",
	"false":                       "in Starlark it is False",
	"none null nil undefined":     "in Starlark it is None",
	"sum":                         "there is no sum: add up in a loop",
	"map":                         "there is no map: write [f(x) for x in list]",
	"filter":                      "there is no filter: write [x for x in list if f(x)]",
	"isinstance issubclass":       `there are no classes: compare type(x) == "list"`,
	"self this super object":      "there are no classes: struct(name = value)",
	"dataclass namedtuple":        "there are no classes: struct(name = value)",
	"round":                       "it is math.round",
	"pow":                         "it is math.pow",
	"divmod":                      "there is no divmod: x // y and x % y",
	"hex oct bin":                 `there is no hex: "%x" % n, "%o" % n`,
	"format":                      `there is no format: write "%.2f" % x`,
	"next iter":                   "there are no iterators: for x in list, or list[0]",
	"frozenset":                   "it is set",
	"xrange":                      "it is range",
	"length size":                 "it is len(x)",
	"printf println echo puts":    "it is print(x)",
	"console logging logger":      "it is print(x)",
	"exit quit":                   "fail(msg) ends a script with an error; without one it ends at its end",
	"open pathlib Path":           `there are no files: run(ns, ["cat", path]).stdout reads one`,
	"input argparse argv":         "there is no input: the script's arguments are args",
	"sys":                         "there is no import: the script's arguments are args",
	"os subprocess shutil":        "there is no import: run(ns, argv) runs a command",
	"requests socket urllib":      "there is no import: run(ns, argv) runs a command",
	"re":                          "regular expressions are for assert.matches and assert.fails",
	"ipaddress netaddr":           `there is no import: an address is a string, "10.0.0.1/24"`,
	"random":                      "there is no chance: a script does the same each time",
	"eval exec compile":           "there is no eval: load() runs a file",
	"globals locals vars":         "there is no globals(): keep what is looked up in a dict",
	"__name__ __file__":           "there is no __name__: the top level of a script is what runs",
	"fi done esac end endif":      "a block ends where its lines are no more indented",
	"threading asyncio":           "parallel([f, g]) calls functions beside each other, at(\"1s\", f) later",
	"time.sleep":                  `it is sleep("1s")`,
	"json.dumps json.dump":        "it is json.encode",
	"json.loads json.load":        "it is json.decode",
	"math.ceiling":                "it is math.ceil",
	"Exception ValueError":        "fail(msg) raises an error, attempt(fn) catches one",
	"KeyError RuntimeError":       "fail(msg) raises an error, attempt(fn) catches one",
	"TypeError AssertionError":    "fail(msg) raises an error, attempt(fn) catches one",
	"OSError NotImplementedError": "fail(msg) raises an error, attempt(fn) catches one",
})

// eachName has a hint for each of the names that stand in front of it.
func eachName(hints map[string]string) map[string]string {
	all := map[string]string{}
	for names, hint := range hints {
		for _, name := range strings.Fields(names) {
			all[name] = hint
		}
	}
	return all
}

// ForeignName says what stands here for a name that people bring from elsewhere, "" when that is not known.
func ForeignName(name string) string { return foreignNames[name] }

// nameHint suggests a predeclared name for one that means nothing.
func nameHint(msg string, names map[string]bool) string {
	name, ok := strings.CutPrefix(msg, "undefined: ")
	if !ok || strings.Contains(name, " (did you mean ") {
		return ""
	}
	if h := foreignNames[name]; h != "" {
		return h
	}
	var all []string
	for n, meant := range names {
		if meant {
			all = append(all, n)
		}
	}
	for n := range starlark.Universe {
		all = append(all, n)
	}
	if near := Nearest(name, all); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}
