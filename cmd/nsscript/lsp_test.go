package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestLSP starts the language server as editors do. What it answers is tested where it is made.
func TestLSP(t *testing.T) {
	frame := func(body string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body) }
	begin := frame(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`)
	for _, c := range []struct {
		in   string
		code int
		want string
	}{
		{begin + frame(`{"jsonrpc":"2.0","id":2,"method":"shutdown"}`) + frame(`{"jsonrpc":"2.0","method":"exit"}`), 0,
			`"name":"nsscript"`},
		{begin, exitFailed, `"capabilities"`}, // the editor died
	} {
		cmd := nsscript("lsp", "--stdio")
		cmd.Stdin = strings.NewReader(c.in)
		out, code := outcome(t, cmd)
		if code != c.code || !strings.Contains(out, c.want) || strings.Contains(out, "nsscript:") {
			t.Errorf("exit code %d, want %d:\n%s", code, c.code, out)
		}
	}
}
