package builtins

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var httpServeDecl = runtime.Query("http_serve", "listener",
	"Serves HTTP (RFC 9110) at a port of a namespace: a text, a folder's files, or what a function returns."+
		socketsEnd+turnsDoc, &httpServeArgs{Port: 80})

type httpServeArgs struct {
	NS     nsArg        `arg:"ns" doc:"the namespace"`
	Answer *pageArg     `arg:"answer?" doc:"a text, or a function that is called with each request (method, path, query, headers, body, source) and returns the text, or a tuple of status and text, and of a dict of headers if there are some; what fails in it fails the run"`
	_      struct{}     `arg:"*"`
	Dir    *string      `arg:"dir?" doc:"instead, a folder whose files are served; symbolic links out of it are not followed"`
	Port   socketPort   `arg:"port?" doc:"the port; 0: a free one, which listener.port tells"`
	TLS    bool         `arg:"tls?" doc:"serve HTTPS, with a certificate made for it, which listener.ca has"`
	Addr   *endpointArg `arg:"addr?" doc:"the only address that it listens at, or a link that has it; all of both families when left out"`
	socketArgs
}

// pageArg is what is answered.
type pageArg struct {
	text string
	fn   starlark.Callable
}

func (pageArg) ArgType() string { return "string or function" }

func (a *pageArg) Unpack(val starlark.Value) error {
	if fn, ok := val.(starlark.Callable); ok {
		a.fn = fn
		return nil
	}
	text, ok := starlark.AsString(val)
	if a.text = text; !ok {
		return want("string or function", val)
	}
	return nil
}

func (a *httpServeArgs) Query(v *runtime.View) (starlark.Value, error) {
	if (a.Answer == nil) == (a.Dir == nil) {
		return nil, errors.New("http_serve: want an answer or dir=")
	}
	var files http.Handler
	var root *os.Root
	if a.Dir != nil {
		var err error
		if root, err = os.OpenRoot(*a.Dir); err != nil {
			return nil, &kernel.Error{Op: "serve", Object: *a.Dir, Err: err}
		}
		files = http.FileServerFS(root.FS())
	}
	l, err := listenAt(v, a.NS.NSRef, a.Port, "tcp", a.Addr, &a.socketArgs)
	if err != nil {
		if root != nil {
			root.Close()
		}
		return nil, err
	}
	l.root = root
	var conns net.Listener = l.l
	if a.TLS {
		cert, err := l.certify()
		if err != nil {
			return nil, err
		}
		conns = tls.NewListener(conns, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	switch {
	case files != nil:
	case a.Answer.fn != nil:
		l.tasks = v.Tasks()
		files = l.calls(a.Answer.fn)
	default:
		files = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, a.Answer.text) // who asked may have gone
		})
	}
	// What clients do wrong is theirs to see.
	l.web = &http.Server{Handler: files, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = l.web.Serve(conns) }() // it ends when it is closed
	return l, nil
}

// calls has a function of the script answer requests.
func (l *listenerValue) calls(fn starlark.Callable) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOutput))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var answer page
		done := false
		l.tasks.Run("server", func(v *runtime.View) error {
			val, err := v.Call(fn, starlark.Tuple{requestStruct(r, body)}, nil)
			if err == nil {
				answer, err = pageOf(val)
			}
			done = err == nil
			return err
		})
		if !done { // the run has ended, or ends with the function's error
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		for name, text := range answer.headers {
			w.Header().Set(name, text)
		}
		w.WriteHeader(answer.status)
		_, _ = io.WriteString(w, answer.text)
	})
}

func requestStruct(r *http.Request, body []byte) starlark.Value {
	return newStruct("request", starlark.StringDict{"method": starlark.String(r.Method),
		"path": starlark.String(r.URL.Path), "query": starlark.String(r.URL.RawQuery), "headers": headerDict(r.Header),
		"body": starlark.String(body), "source": starlark.String(r.RemoteAddr)})
}

// headerDict has headers by their names in lower case; those of one name with commas between.
func headerDict(h http.Header) *starlark.Dict {
	d := starlark.NewDict(len(h))
	for name, all := range h {
		// A string is always a key.
		_ = d.SetKey(starlark.String(strings.ToLower(name)), starlark.String(strings.Join(all, ", ")))
	}
	return d
}

// A page is what a function answers.
type page struct {
	status  int
	text    string
	headers map[string]string
}

func pageOf(val starlark.Value) (p page, err error) {
	p.status = http.StatusOK
	parts, ok := val.(starlark.Tuple)
	if !ok {
		parts = starlark.Tuple{starlark.MakeInt(p.status), val}
	}
	wrong := fmt.Errorf("the function of http_serve returned %s, want a text, or a tuple of status, text and headers",
		val)
	if len(parts) < 2 || len(parts) > 3 {
		return p, wrong
	}
	if p.status, err = number[int](parts[0], 200, 599); err != nil {
		return p, fmt.Errorf("status: %w", err)
	}
	if p.text, ok = starlark.AsString(parts[1]); !ok {
		return p, wrong
	}
	if len(parts) == 3 {
		d, ok := parts[2].(*starlark.Dict)
		if !ok {
			return p, wrong
		}
		p.headers, err = textPairs(d, "headers")
	}
	return p, err
}

// textPairs are the entries of a dict of strings.
func textPairs(d *starlark.Dict, what string) (map[string]string, error) {
	all := map[string]string{}
	if d == nil {
		return all, nil
	}
	for _, item := range d.Items() {
		k, ok1 := starlark.AsString(item[0])
		text, ok2 := starlark.AsString(item[1])
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("%s has %s: %s, want names and values that are strings", what, item[0], item[1])
		}
		all[k] = text
	}
	return all, nil
}

// certify makes a certificate for the namespace's name and addresses, signed by itself.
func (l *listenerValue) certify() (cert tls.Certificate, err error) {
	addrs, err := (&endpointArg{ns: &l.ns}).addrs(l.v, false)
	if err != nil {
		return cert, err
	}
	of := x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{l.ns.String()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}
	for _, a := range addrs {
		of.IPAddresses = append(of.IPAddresses, a.Prefix.Addr().AsSlice())
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return cert, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &of, &of, key.Public(), key)
	if err != nil {
		return cert, err
	}
	var text bytes.Buffer
	err = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	l.ca = text.String()
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
