package lsp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/sourcegraph/jsonrpc2"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/check"
	"github.com/nsscript/nsscript/runtime/script"
)

// Options say what a server serves.
type Options struct {
	Vocabulary *runtime.Vocabulary
	Version    string
	Root       string    // that load() may not leave; empty, the folder of the script that nobody loads
	Log        io.Writer // where the server says what went wrong in itself
}

// ErrLeft is returned when the client left without a shutdown.
var ErrLeft = errors.New("the editor left without a word")

// Serve serves one client until it leaves.
func Serve(ctx context.Context, rw io.ReadWriteCloser, o Options) error {
	s := &server{o: o, docs: map[string]*document{}}
	conn := jsonrpc2.NewConn(ctx, newStream(rw), jsonrpc2.HandlerWithError(s.handle), jsonrpc2.SetLogger(silent{}))
	<-conn.DisconnectNotify()
	if s.state < shut {
		return ErrLeft
	}
	return nil
}

// silent: answers to nothing that was asked are no concern of the user's.
type silent struct{}

func (silent) Printf(string, ...any) {}

type state int

const (
	fresh state = iota
	ready
	shut
)

// server handles one message after the other.
type server struct {
	o       Options
	state   state
	folders []string // of the workspace
	docs    map[string]*document
	index   *check.Index // nil when texts have changed
}

const codeNotInitialized = -32002

// methods are the requests about a place in a text.
var methods = map[string]func(*server, *document, position) (any, error){
	"textDocument/completion":     (*server).completion,
	"textDocument/hover":          (*server).hover,
	"textDocument/signatureHelp":  (*server).signatureHelp,
	"textDocument/definition":     (*server).definition,
	"textDocument/documentSymbol": (*server).symbols,
	"textDocument/formatting":     (*server).formatting,
}

func (s *server) handle(ctx context.Context, conn *jsonrpc2.Conn, req *jsonrpc2.Request) (result any, err error) {
	defer func() {
		// One request that cannot be answered is no reason to leave the editor without a server.
		if p := recover(); p != nil {
			fmt.Fprintf(s.o.Log, "nsscript lsp: %s: panic: %v\n%s", req.Method, p, debug.Stack())
			err = &jsonrpc2.Error{Code: jsonrpc2.CodeInternalError, Message: fmt.Sprintf("%s: %v", req.Method, p)}
		}
	}()
	switch {
	case req.Method == "exit":
		return nil, conn.Close()
	case req.Method == "initialize" && s.state == fresh:
		return s.initialize(req)
	case s.state == fresh:
		return nil, &jsonrpc2.Error{Code: codeNotInitialized, Message: "initialize comes first"}
	case s.state == shut:
		return nil, &jsonrpc2.Error{Code: jsonrpc2.CodeInvalidRequest, Message: "after shutdown only exit comes"}
	case req.Method == "shutdown":
		s.state = shut
		return nil, nil
	}
	method := methods[req.Method]
	if method == nil && !strings.HasPrefix(req.Method, "textDocument/did") {
		if req.Notif {
			// $/cancelRequest and others need no answer: each request is answered before the next is read
			return nil, nil
		}
		return nil, &jsonrpc2.Error{Code: jsonrpc2.CodeMethodNotFound, Message: "there is no method " + req.Method}
	}
	var p documentParams
	if req.Params == nil {
		req.Params = new(json.RawMessage)
	}
	if err := json.Unmarshal(*req.Params, &p); err != nil {
		return nil, &jsonrpc2.Error{Code: jsonrpc2.CodeInvalidParams, Message: err.Error()}
	}
	if method == nil {
		return nil, s.did(ctx, conn, req.Method, p)
	}
	d := s.docs[p.TextDocument.URI]
	if d == nil {
		return nil, &jsonrpc2.Error{Code: jsonrpc2.CodeInvalidParams, Message: "not open: " + p.TextDocument.URI}
	}
	return method(s, d, p.Position)
}

func (s *server) initialize(req *jsonrpc2.Request) (any, error) {
	var p initializeParams
	if req.Params != nil {
		if err := json.Unmarshal(*req.Params, &p); err != nil {
			return nil, &jsonrpc2.Error{Code: jsonrpc2.CodeInvalidParams, Message: err.Error()}
		}
	}
	for _, f := range p.WorkspaceFolders {
		s.folders = append(s.folders, path(f.URI))
	}
	if s.folders == nil && p.RootURI != "" {
		s.folders = []string{path(p.RootURI)}
	}
	s.state = ready
	r := initializeResult{Capabilities: json.RawMessage(capabilities)}
	r.ServerInfo.Name, r.ServerInfo.Version = "nsscript", s.o.Version
	return r, nil
}

// did takes a change of the texts that are open, and tells what is wrong with them now.
func (s *server) did(ctx context.Context, conn *jsonrpc2.Conn, method string, p documentParams) error {
	uri := p.TextDocument.URI
	switch method {
	case "textDocument/didOpen":
		s.docs[uri] = &document{uri: uri, name: path(uri), version: p.TextDocument.Version, text: p.TextDocument.Text}
	case "textDocument/didChange":
		d := s.docs[uri]
		if d == nil {
			return nil
		}
		d.version = p.TextDocument.Version
		for _, c := range p.ContentChanges {
			begin, end := 0, len(d.text)
			if c.Range != nil {
				begin, end = d.offset(c.Range.Start), d.offset(c.Range.End)
			}
			d.text, d.starts = d.text[:begin]+c.Text+d.text[max(begin, end):], nil
		}
	case "textDocument/didClose":
		delete(s.docs, uri)
		if err := conn.Notify(ctx, "textDocument/publishDiagnostics",
			diagnostics{URI: uri, Diagnostics: []diagnostic{}}); err != nil {
			return err
		}
	}
	s.index = check.NewIndex(s.o.Vocabulary, s.o.Root, s.files()...)
	all := map[string][]check.Finding{}
	for _, f := range s.index.Findings() {
		all[f.File] = append(all[f.File], f)
	}
	for _, d := range s.sorted() {
		if err := conn.Notify(ctx, "textDocument/publishDiagnostics", d.diagnose(all[d.name])); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) sorted() (all []*document) {
	for _, d := range s.docs {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *document) int { return strings.Compare(a.uri, b.uri) })
	return all
}

// files are the texts that are open, and the scripts in the folders above them in the workspace: those may load them,
// and then they are the ones whose folder load() may not leave.
func (s *server) files() (all []check.File) {
	seen := map[string]bool{}
	for _, d := range s.sorted() {
		if seen[d.name] = true; len(d.text) > script.MaxSource {
			continue // none that can be run
		}
		all = append(all, check.File{Name: d.name, Source: []byte(d.text)})
	}
	for _, d := range s.sorted() {
		for _, folder := range s.folders {
			dir := filepath.Dir(d.name)
			for above(folder, dir) {
				dir = filepath.Dir(dir)
				for _, e := range script.Entries(dir) {
					name := filepath.Join(dir, e)
					if filepath.Ext(e) != ".star" || seen[name] {
						continue
					}
					seen[name] = true
					if src, err := script.ReadScript(name); err == nil { // what cannot be read loads nothing
						all = append(all, check.File{Name: name, Source: src})
					}
				}
			}
		}
	}
	return all
}

// above reports whether a folder is above another.
func above(folder, dir string) bool {
	return folder != dir &&
		strings.HasPrefix(dir, strings.TrimSuffix(folder, string(os.PathSeparator))+string(os.PathSeparator))
}
