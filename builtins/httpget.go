package builtins

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var httpGetDecl = runtime.Query("http_get", "struct",
	"Asks for a page from a namespace (RFC 9110), and returns the answer: status (int), headers (dict, names in lower "+
		"case) and body. It fails when none comes, or its status is 400 or more. Redirects are not followed.",
	&httpGetArgs{Method: "GET", Timeout: waitArg(5 * time.Second), Verify: true, Check: true})

type httpGetArgs struct {
	NS      senderArg      `arg:"ns" doc:"namespace to ask from; or a link or an address value, which is asked from"`
	URL     urlArg         `arg:"url" doc:"such as \"http://10.0.0.2/page\", \"http://[fd00::2]:8080/\", or \"https://web/\" with the name of a namespace of the lab"`
	_       struct{}       `arg:"*"`
	Method  string         `arg:"method?" doc:"what to do: GET, HEAD, POST ..."`
	Data    *dataArg       `arg:"data?" doc:"what is sent with it"`
	Headers *starlark.Dict `arg:"headers?" doc:"headers to send, a dict of strings"`
	CA      *string        `arg:"ca?" doc:"of https: certificate that is trusted (PEM), such as listener.ca"`
	Verify  bool           `arg:"verify?" doc:"of https: fail when the certificate is not trusted"`
	Timeout waitArg        `arg:"timeout?" doc:"how long the whole may take"`
	Source  *endpointArg   `arg:"source?" doc:"address to come from, or a link or namespace that has one"`
	Family  familyArg      `arg:"family?" doc:"4 or 6: only addresses of that family; either when left out"`
	Check   bool           `arg:"check?" doc:"fail when the status is 400 or more; False returns the answer instead"`
	socketArgs
}

// urlArg is an address of a page.
type urlArg struct{ *url.URL }

func (urlArg) ArgType() string { return "string" }

func (a *urlArg) Unpack(val starlark.Value) (err error) {
	s, ok := starlark.AsString(val)
	if !ok {
		return want("string", val)
	}
	if a.URL, err = url.Parse(s); err != nil {
		return err
	}
	if a.Scheme != "http" && a.Scheme != "https" || a.Hostname() == "" {
		return fmt.Errorf("%q is no URL such as \"http://10.0.0.2/\"", s)
	}
	if port := a.URL.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("%q: %s is no port, 1 to 65535", s, port)
		}
	}
	return nil
}

func (a *httpGetArgs) Query(v *runtime.View) (starlark.Value, error) {
	headers, err := textPairs(a.Headers, "headers")
	if err != nil {
		return nil, fmt.Errorf("http_get: %w", err)
	}
	c := connectArgs{NS: a.NS, Proto: "tcp", Timeout: a.Timeout, Source: a.Source, Family: a.Family,
		socketArgs: a.socketArgs, Port: map[string]socketPort{"http": 80, "https": 443}[a.URL.Scheme]}
	if err := c.Dst.UnpackIn(v, starlark.String(a.URL.Hostname())); err != nil {
		return nil, fmt.Errorf("http_get: %w; of other names, dns() finds addresses", err)
	}
	if port, err := strconv.Atoi(a.URL.Port()); err == nil {
		c.Port = socketPort(port)
	}
	config := &tls.Config{InsecureSkipVerify: !a.Verify}
	if a.CA != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(*a.CA)) {
			return nil, errors.New("http_get: ca is no certificate in PEM")
		}
	}
	s, err := c.connect(v)
	if err != nil {
		return nil, err
	}
	defer s.Abort()
	used := false
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: config,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			if used {
				return nil, errors.New("the connection was closed before the answer")
			}
			used = true
			return s, nil
		}}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var status int
	var got http.Header
	var body []byte
	err = awaited(v, a.Timeout, "no answer came", func(ctx context.Context) error {
		var data []byte
		if a.Data != nil {
			data = *a.Data
		}
		req, err := http.NewRequestWithContext(ctx, a.Method, a.URL.String(), bytes.NewReader(data))
		if err != nil {
			return err
		}
		for name, text := range headers {
			req.Header.Set(name, text)
		}
		if host := req.Header.Get("Host"); host != "" {
			req.Host = host
		}
		resp, err := client.Do(req)
		if err != nil {
			return causeOf(ctx, err)
		}
		defer resp.Body.Close()
		status, got = resp.StatusCode, resp.Header
		body, err = io.ReadAll(io.LimitReader(resp.Body, maxOutput+1))
		if err == nil && len(body) > maxOutput {
			err = fmt.Errorf("the page has more than %d MiB", maxOutput>>20)
		}
		return causeOf(ctx, err)
	})
	ns := *a.NS.ns
	if err != nil {
		return nil, socketError(v, strings.ToLower(a.Method), a.URL.String(), ns, err, tlsHint(err))
	}
	if a.Check && status >= 400 {
		return nil, &kernel.Error{Op: strings.ToLower(a.Method), Object: a.URL.String(), NS: ns.String(),
			Err: fmt.Errorf("status %d %s", status, http.StatusText(status)), Hint: "it said: " + received(body)}
	}
	return newStruct("response", starlark.StringDict{"status": starlark.MakeInt(status), "headers": headerDict(got),
		"body": starlark.String(body)}), nil
}

// causeOf is why a request failed, without the words that the library has around it.
func causeOf(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

func tlsHint(err error) string {
	if errors.As(err, new(*tls.CertificateVerificationError)) {
		return "ca = server.ca trusts the certificate of http_serve(); verify=False trusts any"
	}
	return ""
}
