package lsp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sourcegraph/jsonrpc2"

	"github.com/nsscript/nsscript/builtins"
	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/lsp"
)

// A client is an editor.
type client struct {
	t     testing.TB
	conn  *jsonrpc2.Conn
	said  chan json.RawMessage // the diagnostics
	ended chan error
	log   *bytes.Buffer
	dir   string
}

type handler func(*jsonrpc2.Request)

func (h handler) Handle(_ context.Context, _ *jsonrpc2.Conn, req *jsonrpc2.Request) { h(req) }

func start(t testing.TB) *client {
	here, there := net.Pipe()
	c := &client{t: t, said: make(chan json.RawMessage, 100), ended: make(chan error, 1), log: new(bytes.Buffer),
		dir: t.TempDir()}
	go func() {
		c.ended <- lsp.Serve(t.Context(), there, lsp.Options{Vocabulary: builtins.All(), Version: "0", Log: c.log})
	}()
	c.conn = jsonrpc2.NewConn(t.Context(), jsonrpc2.NewBufferedStream(here, jsonrpc2.VSCodeObjectCodec{}),
		handler(func(req *jsonrpc2.Request) {
			if req.Method == "textDocument/publishDiagnostics" {
				c.said <- *req.Params
			}
		}))
	return c
}

func opened(t testing.TB) *client {
	c := start(t)
	c.call("initialize", map[string]any{"rootUri": "file://" + c.dir, "capabilities": map[string]any{}})
	c.notify("initialized", map[string]any{})
	return c
}

// call returns the result as JSON.
func (c *client) call(method string, params any) string {
	c.t.Helper()
	var result json.RawMessage
	if err := c.conn.Call(c.t.Context(), method, params, &result); err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
	var text bytes.Buffer
	if err := json.Indent(&text, result, "", " "); err != nil {
		c.t.Fatal(err)
	}
	return text.String()
}

func (c *client) refused(method string, params any, code int64) {
	c.t.Helper()
	var wrong *jsonrpc2.Error
	err := c.conn.Call(c.t.Context(), method, params, nil)
	if e, ok := err.(*jsonrpc2.Error); ok {
		wrong = e
	}
	if wrong == nil || wrong.Code != code {
		c.t.Errorf("%s: %v, want error %d", method, err, code)
	}
}

func (c *client) notify(method string, params any) {
	c.t.Helper()
	if err := c.conn.Notify(c.t.Context(), method, params); err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
}

func (c *client) uri(name string) string { return "file://" + filepath.Join(c.dir, name) }

// diagnosed waits for what is said of a file.
func (c *client) diagnosed(name string) string {
	c.t.Helper()
	for {
		select {
		case d := <-c.said:
			if bytes.Contains(d, []byte(`"`+c.uri(name)+`"`)) {
				return string(d)
			}
		case <-time.After(10 * time.Second):
			c.t.Fatalf("nothing was said of %s", name)
		}
	}
}

// open opens a text and returns what is wrong with it.
func (c *client) open(name, text string) string {
	c.t.Helper()
	c.notify("textDocument/didOpen",
		map[string]any{"textDocument": map[string]any{"uri": c.uri(name), "languageId": "starlark",
			"version": 1, "text": text}})
	return c.diagnosed(name)
}

// at asks about the place that "^" marks in a text, which it opens.
func (c *client) at(method, name, text string) string {
	c.t.Helper()
	before, after, ok := strings.Cut(text, "^")
	if !ok {
		c.t.Fatalf("no ^ in %q", text)
	}
	c.open(name, before+after)
	line := before[strings.LastIndex(before, "\n")+1:]
	return c.call("textDocument/"+method, map[string]any{"textDocument": map[string]any{"uri": c.uri(name)},
		"position": map[string]any{"line": strings.Count(before, "\n"), "character": len([]rune(line))}})
}

func (c *client) labels(name, text string) (labels []string) {
	c.t.Helper()
	var items []struct{ Label string }
	if err := json.Unmarshal([]byte(c.at("completion", name, text)), &items); err != nil {
		c.t.Fatal(err)
	}
	for _, i := range items {
		labels = append(labels, i.Label)
	}
	return labels
}

// end leaves as an editor does.
func (c *client) end() {
	c.t.Helper()
	c.call("shutdown", nil)
	c.refused("textDocument/hover", map[string]any{}, jsonrpc2.CodeInvalidRequest)
	c.notify("exit", nil)
	if err := <-c.ended; err != nil {
		c.t.Error(err)
	}
	if c.log.Len() > 0 {
		c.t.Error(c.log)
	}
}

func expect(t testing.TB, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !regexp.MustCompile(w).MatchString(got) {
			t.Errorf("does not match %q:\n%s", w, got)
		}
	}
}

// TestSession is one editor's whole session, a feature after the other.
func TestSession(t *testing.T) {
	c := start(t)
	c.refused("textDocument/hover", map[string]any{}, -32002)
	expect(t, c.call("initialize", map[string]any{"rootUri": "file://" + c.dir}), `"hoverProvider": true`,
		`"name": "nsscript"`)
	c.refused("initialize", map[string]any{}, jsonrpc2.CodeMethodNotFound)
	c.refused("textDocument/rename", map[string]any{}, jsonrpc2.CodeMethodNotFound)
	c.refused("textDocument/hover", map[string]any{"textDocument": map[string]any{"uri": "file:///not/open"}},
		jsonrpc2.CodeInvalidParams)
	c.refused("textDocument/hover", []any{"x"}, jsonrpc2.CodeInvalidParams)

	// Diagnostics are those of check, and go when what is wrong goes.
	expect(t, c.open("wrong.star", "x = 1\nprint('ä𝄞', pign(x))\n"),
		`"code":"name","message":"undefined: pign\\nhint: `+
			`did you mean ping\?","range":\{"end":\{"character":17,"line":1\},"start":\{"character":13,"line":1\}\},`+
			`"severity":1,`)
	c.notify("textDocument/didChange",
		map[string]any{"textDocument": map[string]any{"uri": c.uri("wrong.star"), "version": 2},
			"contentChanges": []any{map[string]any{"text": "def f():\n    y = 1\nf()\n"}}})
	expect(t, c.diagnosed("wrong.star"), `"version":2`, `"start":\{"character":4,"line":1\}\},"severity":2,`,
		`"code":"unused"`, `"tags":\[1\]`)
	c.notify("textDocument/didChange",
		map[string]any{"textDocument": map[string]any{"uri": c.uri("wrong.star"), "version": 3},
			"contentChanges": []any{map[string]any{"text": "print(y)\n",
				"range": map[string]any{"start": map[string]any{"line": 1, "character": 4},
					"end": map[string]any{"line": 9}}}}})
	expect(t, c.diagnosed("wrong.star"), `undefined: y`)
	c.notify("textDocument/didChange",
		map[string]any{"textDocument": map[string]any{"uri": c.uri("wrong.star"), "version": 4},
			"contentChanges": []any{map[string]any{"text": strings.Repeat("pign()\n", 207)}}})
	expect(t, c.diagnosed("wrong.star"), `and 7 more, which are not shown`)
	c.notify("textDocument/didClose", map[string]any{"textDocument": map[string]any{"uri": c.uri("wrong.star")}})
	expect(t, c.diagnosed("wrong.star"), `"diagnostics":\[\]`)

	// What a file loads is read from the editor first, then from the disk.
	if err := os.MkdirAll(filepath.Join(c.dir, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	lib := "# Names.\n\ndef hosts(n, *, prefix = \"h\"):\n    \"\"\"Makes n hosts.\"\"\"\n    return [netns(prefix + " +
		"str(i)) for i in range(n)]\n\nFEW = 3\n"
	if err := os.WriteFile(filepath.Join(c.dir, "lib", "hosts.star"), []byte(lib), 0o644); err != nil {
		t.Fatal(err)
	}
	main := "load(\"lib/hosts.star\", \"FEW\", \"hosts\")\n\nall = hosts(FEW)\nprint(all)\n"
	expect(t, c.open("main.star", main), `"diagnostics":\[\]`)
	expect(t, c.at("definition", "main.star", strings.Replace(main, "hosts(FEW", "ho^sts(FEW", 1)), `lib/hosts.star"`,
		`"line": 2,\s+"character": 4`)
	expect(t, c.at("definition", "main.star", strings.Replace(main, "lib/", "li^b/", 1)), `lib/hosts.star"`,
		`"line": 0,\s+"character": 0`)
	expect(t, c.at("definition", "main.star", main+"print(a^ll)\n"), `main.star"`, `"line": 2,\s+"character": 0`)
	expect(t, c.at("definition", "main.star", main+"pr^int(all)\n"), `^null$`)
	expect(t, c.at("definition", "main.star", "load(\"@std//topo.star\", \"ring\")\nri^ng(3)\n"), `^null$`)
	expect(t, c.at("hover", "main.star", main+"ho^sts(1)\n"), `hosts\(n, \*, prefix=."h."\)`, `Makes n hosts`)
	c.open("lib/hosts.star", strings.ReplaceAll(lib, "FEW", "MANY"))
	expect(t, c.diagnosed("main.star"), `defines no FEW`)
	c.notify("textDocument/didClose", map[string]any{"textDocument": map[string]any{"uri": c.uri("lib/hosts.star")}})
	expect(t, c.diagnosed("main.star"), `"diagnostics":\[\]`)

	// A library loads from the folder of the script that loads it.
	for name, text := range map[string]string{"common.star": "X = 1\n",
		"main.star": "load(\"lib/up.star\", \"Y\")\nprint(Y)\n"} {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c.notify("textDocument/didClose", map[string]any{"textDocument": map[string]any{"uri": c.uri("main.star")}})
	expect(t, c.open("lib/up.star", "load(\"../common.star\", \"X\")\n\nY = X\n"), `"diagnostics":\[\]`)

	// Completion: attributes, arguments, names of namespaces and links, files, in lines that are no Starlark yet.
	for _, x := range []struct{ text, want string }{
		{"a, b = veth(netns(\"left\"), netns(\"right\"))\na.^\n", "mtu"},
		{"def f(x):\n    n = netns(\"left\")\n    for l in n.links:\n        l.m^\n    return x\n", "mtu"},
		{"def f(thing):\n    return th^\n", "thing"},
		{"def f(thing):\n    x = 1\n    for i in (th^\n", "thing"},
		{"def f(thing):\n    for i in th^:\n        pass\n", "thing"},
		{"def f(thing):\n    if (th^:\n        pass\n    return 1\n", "thing"},
		{"def f(thing):\n    pass\nth^\n", "!thing"},
		{"x = ping(host, \"127.0.0.1\", co^", "count="},
		{"x = ping(\n    host,\n    co^\n)\ny = 1\n", "count="},
		{"def f(speed = 1):\n    pass\nf(^)\n", "speed="},
		{"netns(\"left\")\nnetns(\"right\")\naddr(veth(\"^", "right"},
		{"veth(netns(\"left\"), netns(\"right\"), name = \"uplink\")\nhost.link(\"up^", "uplink"},
		{"load(\"^\")\n", "lib/"},
		{"load(\"lib/^\")\n", "lib/hosts.star"},
		{"load(\"@^\")\n", "@std//topo.star"},
		{"load(\"@std//topo.star\", \"ring\")\nri^", "ring"},
		{"json.^", "encode"},
		{"json.encode(^", "!x="},
		{"json.encode_indent(1, pre^", "prefix="},
		{"wh^", "!while"},
		{"\"^", "!host"},
	} {
		want, absent := strings.CutPrefix(x.want, "!")
		if got := c.labels("typing.star", x.text); slices.Contains(got, want) == absent {
			t.Errorf("%q: %q, want %s", x.text, got, x.want)
		}
	}
	expect(t, c.at("completion", "typing.star", "x = ver\nve^"), `"label": "veth",\s+"kind": 3,\s+"detail": "veth\(`,
		`"newText": "veth"`, `"start": \{\s+"line": 1,\s+"character": 0`)

	// Hover and signatures.
	expect(t, c.at("hover", "hover.star", "x = ping(host, \"::1\", cou^nt = 2)\n"), "```python.ncount: int",
		`"character": 22`)
	expect(t, c.at("hover", "hover.star", "a, b = veth(netns(\"l\"), netns(\"r\"))\nprint(a.mt^u)\n"), "link.mtu: int")
	expect(t, c.at("hover", "hover.star", "a^, b = veth(netns(\"l\"), netns(\"r\"))\n"), "a: link")
	expect(t, c.at("hover", "hover.star", "x = le^n([1])\n"), "spec.md#len")
	expect(t, c.at("hover", "hover.star", "x = [i fo^r i in [1]]\n"), "word of Starlark")
	expect(t, c.at("hover", "hover.star", "x = 1  # not^hing\n"), `^null$`)

	// What the reference says besides builtins.
	expect(t, c.at("hover", "hover.star", "x = ma^th.pi\n"), `Mathematical functions`,
		"- `math.ceil\\(x\\)`: The smallest int")
	expect(t, c.at("hover", "hover.star", "x = math.ce^il(1.5)\n"), `math.ceil\(x\)`, `The smallest int`)
	expect(t, c.at("hover", "hover.star", "x = js^on.encode(1)\n"), "json.encode\\(x\\)`: ")
	expect(t, c.at("hover", "hover.star", "ass^ert.eq(1, 1)\n"),
		"- `assert.eq\\(a, b, msg=None\\)`: Fails unless a == b")
	expect(t, c.at("hover", "hover.star", "lo^ad(\"@std//topo.star\", \"ring\")\nring(3)\n"),
		`Binds names of another script`)
	expect(t, c.at("hover", "hover.star", "load(\"@std//to^po.star\", \"ring\")\nring(3)\n"), `Topologies`, `mesh\(n`)
	expect(t, c.at("hover", "hover.star", "print(ar^gs)\n"), `args: list of string`, `command line`)
	expect(t, c.at("hover", "hover.star", "print(ho^st)\n"), `host: namespace`, `nsscript started in`)
	expect(t, c.at("hover", "hover.star", "args = 3\nprint(ar^gs)\n"), `args: int`, `"value": "[^c]*"`)
	expect(t, c.at("hover", "hover.star", "def f(host):\n    return ho^st\n"), `^null$|"value": "[^k]*"`)
	expect(t, c.at("hover", "hover.star", "def f(tests):\n    return te^sts\n"), `python.ntests`, `"value": "[^F]*"`)
	expect(t, c.at("completion", "typing.star", "x = math.ce^"),
		`"label": "ceil",\s+"kind": 3,\s+"detail": "math.ceil\(x\)"`)
	expect(t, c.at("signatureHelp", "sig.star", "x = math.log(1, ^)\n"), `"label": "math.log\(x, base=e\)"`,
		`"activeParameter": 1`)
	expect(t, c.at("signatureHelp", "sig.star", "x = ping(host, ^"), `"label": "ping\(`, `"activeParameter": 1`)
	expect(t, c.at("signatureHelp", "sig.star", "x = ping(host, interval = ^)\n"), `"activeParameter": 3`)
	expect(t, c.at("signatureHelp", "sig.star", "def f(a, b = 2):\n    pass\nf(1, ^)\n"), `"label": "f\(a, b=2\)"`,
		`"label": \[\s+5,\s+8\s+\]`, `"activeParameter": 1`)
	expect(t, c.at("signatureHelp", "sig.star", "x = (1, ^)\n"), `^null$`)

	// Symbols and layout.
	c.open("symbols.star", lib)
	expect(t, c.call("textDocument/documentSymbol",
		map[string]any{"textDocument": map[string]any{"uri": c.uri("symbols.star")}}),
		`"name": "hosts",\s+"detail": "hosts\(n, \*, prefix=."h."\)",\s+"kind": 12`,
		`"name": "FEW",\s+"detail": "int",\s+"kind": 13`)
	c.open("layout.star", "x=[ 1,2 ]\n")
	format := map[string]any{"textDocument": map[string]any{"uri": c.uri("layout.star")},
		"options": map[string]any{"tabSize": 4}}
	expect(t, c.call("textDocument/formatting", format), `"newText": "x = \[1, 2\]\\n"`)
	c.open("layout.star", "x = [1, 2]\n")
	expect(t, c.call("textDocument/formatting", format), `^\[\]$`)
	c.open("layout.star", "x = [1, 2\n")
	expect(t, c.call("textDocument/formatting", format), `^\[\]$`)
	c.end()
}

// expressions finds, for every type that can be had from the builtins, an expression of it.
func expressions(voc *runtime.Vocabulary) map[string]string {
	exprs := map[string]string{"namespace": "host"}
	for n := 0; n != len(exprs); {
		n = len(exprs)
		add := func(typ, expr string) {
			typ, _, _ = strings.Cut(typ, " or ")
			if elem, ok := strings.CutPrefix(typ, "list of "); ok {
				typ, expr = elem, expr+"[0]"
			}
			if elem, ok := strings.CutPrefix(typ, "("); ok {
				typ, _, _ = strings.Cut(elem, ",")
				expr += "[0]"
			}
			if exprs[typ] == "" {
				exprs[typ] = expr
			}
		}
		for _, d := range voc.Decls {
			if recv, name, dotted := strings.Cut(d.Name, "."); !dotted || !d.IsMethod() {
				add(d.Result, d.Name+"()")
			} else if exprs[recv] != "" {
				add(d.Result, exprs[recv]+"."+name+"()")
			}
		}
		for _, typ := range voc.Types {
			if typ.Elem != "" && exprs[typ.Name] != "" {
				add(typ.Elem, exprs[typ.Name]+"[0]")
			}
			for _, a := range typ.Attrs {
				if exprs[typ.Name] != "" {
					add(a.Type, exprs[typ.Name]+"."+a.Name)
				}
			}
		}
	}
	exprs["test"] = "t" // what a test function is given
	return exprs
}

// TestEveryName asks about every builtin, parameter, type and attribute that is declared.
func TestEveryName(t *testing.T) {
	voc := builtins.All()
	c := opened(t)
	exprs := expressions(voc)
	source := func(expr string) string { return "def test_x(t):\n    return " + expr }
	for _, d := range voc.Decls {
		expr := d.Name
		if recv, name, _ := strings.Cut(d.Name, "."); d.IsMethod() {
			if exprs[recv] == "" {
				t.Errorf("nothing gives a %s", recv)
				continue
			}
			expr = exprs[recv] + "." + name
		}
		expect(t, c.at("hover", "a.star", source(expr+"^()\n")), regexp.QuoteMeta(quote(d.Signature())),
			regexp.QuoteMeta(quote(strings.SplitN(d.Doc, "\n", 2)[0])))
		expect(t, c.at("signatureHelp", "a.star", source(expr+"(^")),
			`"label": "`+regexp.QuoteMeta(quote(d.Signature())))
		if got, want := c.labels("a.star", source(expr[:len(expr)-1]+"^")),
			d.Name[strings.LastIndex(d.Name, ".")+1:]; !slices.Contains(got, want) {
			t.Errorf("%s completes to %q", expr[:len(expr)-1], got)
		}
		for i, p := range d.Params {
			if i == 0 && d.IsMethod() || p.Rest != "" {
				continue
			}
			expect(t, c.at("hover", "a.star", source(fmt.Sprintf("%s(%s^ = 1)\n", expr, p.Name))),
				regexp.QuoteMeta(quote(p.Doc)))
		}
	}
	for _, typ := range voc.Types {
		if exprs[typ.Name] == "" {
			t.Errorf("nothing gives a %s", typ.Name)
			continue
		}
		for _, a := range typ.Attrs {
			expect(t, c.at("hover", "a.star", source(exprs[typ.Name]+"."+a.Name+"^\n")),
				regexp.QuoteMeta(quote(typ.Name+"."+a.Name+": "+a.Type)), regexp.QuoteMeta(quote(a.Doc)))
			if got := c.labels("a.star", source(exprs[typ.Name]+"."+a.Name[:1]+"^")); !slices.Contains(got, a.Name) {
				t.Errorf("%s.%s completes to %q", exprs[typ.Name], a.Name[:1], got)
			}
		}
	}
	c.end()
}

// quote is the text as it stands in JSON, without the quotes.
func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text[1 : len(text)-1])
}

// TestLeft: an editor that dies is no success.
func TestLeft(t *testing.T) {
	c := opened(t)
	if err := c.conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-c.ended; err != lsp.ErrLeft {
		t.Errorf("%v", err)
	}
}

// TestMalformed sends what is no message between messages.
func TestMalformed(t *testing.T) {
	here, there := net.Pipe()
	ended := make(chan error, 1)
	var log bytes.Buffer
	go func() {
		ended <- lsp.Serve(t.Context(), there, lsp.Options{Vocabulary: builtins.All(), Log: &log})
	}()
	answers := make(chan string, 1)
	go func() {
		all, err := io.ReadAll(here)
		if err != nil {
			t.Error(err)
		}
		answers <- string(all)
	}()
	for _, s := range []string{
		"garbage\r\n\r\n", strings.Repeat("x", 10000) + "\n", "Content-Length: -5\r\n\r\n",
		"Content-Length: 99999999999999999999\r\n\r\n", frame(`{"jsonrpc":`), frame(`[]`), frame(`"x"`), frame(""),
		frame(`{"jsonrpc":"2.0","method":5}`),
		fmt.Sprintf("Content-Length: %d\r\n\r\n%s", 9<<20, strings.Repeat("a", 9<<20)),
		frame(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`),
		frame(`{"jsonrpc":"2.0","id":2,"method":"shutdown"}`), frame(`{"jsonrpc":"2.0","method":"exit"}`),
	} {
		if _, err := io.WriteString(here, s); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	got := <-answers
	if n := strings.Count(got, "-32700"); n < 4 {
		t.Errorf("%d parse errors:\n%s", n, got)
	}
	expect(t, got, `"id":1,"result":\{"capabilities"`, `"id":2,"result":null`, "at most 8388608 bytes")
	if log.Len() > 0 {
		t.Error(log.String())
	}
}

func frame(body string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body) }

// FuzzServe sends anything.
func FuzzServe(f *testing.F) {
	f.Add([]byte(frame(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`) +
		frame(`{"jsonrpc":"2.0","id":2,"method":"shutdown"}`)))
	f.Add([]byte("Content-Length: 3\n\n{}x\r\n"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		serve(t, sent)
	})
}

// serve serves what was sent.
func serve(t *testing.T, sent []byte) {
	var log bytes.Buffer
	// it ends without a shutdown
	_ = lsp.Serve(t.Context(), &canned{r: bytes.NewReader(sent)}, lsp.Options{Vocabulary: vocabulary, Log: &log})
	if log.Len() > 0 {
		t.Error(log.String())
	}
}

var vocabulary = builtins.All()

type canned struct{ r io.Reader }

func (c *canned) Read(b []byte) (int, error)  { return c.r.Read(b) }
func (c *canned) Write(b []byte) (int, error) { return len(b), nil }
func (c *canned) Close() error                { return nil }

// FuzzFeatures asks everything about any place of any text.
func FuzzFeatures(f *testing.F) {
	for _, dir := range []string{"../../scripts", "../script/std"} {
		scripts, err := filepath.Glob(filepath.Join(dir, "*.star"))
		if err != nil || len(scripts) == 0 {
			f.Fatalf("%q, %v", scripts, err)
		}
		for i, s := range scripts {
			text, err := os.ReadFile(s)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text), uint16(i), uint16(i*3))
		}
	}
	f.Add("def f(a, *, b=\"ä𝄞\", **c):\n\tx = f(a, b", uint16(1), uint16(14))
	f.Add("load('a.star', b = 'c')\r\nfor x in [b.\r\n\xff", uint16(1), uint16(12))
	f.Fuzz(func(t *testing.T, text string, line, character uint16) {
		var sent bytes.Buffer
		send := func(method string, params any) {
			body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
			if err != nil {
				t.Fatal(err)
			}
			sent.WriteString(frame(string(body)))
		}
		doc := map[string]any{"uri": "untitled:x", "text": text}
		place := map[string]any{"textDocument": doc, "position": map[string]any{"line": line, "character": character}}
		send("initialize", map[string]any{})
		send("textDocument/didOpen", place)
		for _, m := range []string{"completion", "hover", "signatureHelp", "definition",
			"documentSymbol", "formatting"} {
			send("textDocument/"+m, place)
		}
		serve(t, sent.Bytes())
	})
}

// BenchmarkCompletion is the first completion in a script of the project's own.
func BenchmarkCompletion(b *testing.B) {
	text, err := os.ReadFile("../../scripts/router.star")
	if err != nil {
		b.Fatal(err)
	}
	c := opened(b)
	for b.Loop() {
		c.labels("b.star", string(text)+"host.^")
	}
	c.end()
}
