package builtins

import (
	"encoding/json"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/kernel"
)

// wgSecret is a key as `wg genkey` prints it.
const wgSecret = "SBbW9FfNmbFoLYTp4b5+cQsSy4PU63q9kmyR38rzMHg="

// TestSecretsUnwritten holds the record and the command of a change that has a secret to having none of it.
func TestSecretsUnwritten(t *testing.T) {
	secret := wgSecret
	var key wgKeyArg
	if err := key.Unpack(starlark.String(secret)); err != nil {
		t.Fatal(err)
	}
	op := wireguardKind.sets(*wireguardKind.word("private_key"), &key)
	op.Link = kernel.LinkRef{NS: kernel.NSRef{Cookie: 1}, Index: 2, Name: "wg0"}
	record, err := json.Marshal(op)
	if err != nil {
		t.Fatal(err)
	}
	if err := op.Valid(); err != nil {
		t.Error(err)
	}
	raw, err := json.Marshal(key.encode())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(record), op.Command(), (&wgKeyValue{key: key.key}).String()} {
		for _, part := range []string{secret[:12], secret[3:20], strings.Trim(string(raw), `"`)} {
			if strings.Contains(text, part) {
				t.Errorf("%s has %s in it", text, part)
			}
		}
	}
	for _, wrong := range []string{secret[:43], secret + "=", "", strings.Repeat("A", 44), secret[:42] + "h="} {
		err := key.Unpack(starlark.String(wrong))
		if err == nil || wrong != "" && strings.Contains(err.Error(), wrong) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
