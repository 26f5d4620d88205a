package builtins

import (
	"bytes"
	"encoding/json"
	"net/netip"
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
	op := wireguardKind.setting(kernel.LinkRef{}, wireguardKind.word("private_key"), &key)
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

// TestPeerUnwritten holds the record of a peer, and the command that adds it, to having nothing of its preshared key:
// the request alone has it.
func TestPeerUnwritten(t *testing.T) {
	var key wgKeyArg
	if err := key.Unpack(starlark.String(wgSecret)); err != nil {
		t.Fatal(err)
	}
	keepalive := lasting[inSeconds, width16](25)
	a := &wgPeerArgs{PublicKey: wgPublicArg{key: [32]byte{31: 2}}, wgPeerWords: wgPeerWords{Preshared: &key,
		Keepalive: &keepalive, Endpoint: &wgEndpointArg{AddrPort: netip.MustParseAddrPort("[fd02::2]:7000")},
		Allowed: &wgAllowedArg{netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("10.0.0.0/8")}}}
	l := kernel.LinkRef{NS: kernel.NSRef{Cookie: 1}, Index: 2, Name: "wg0"}
	op := &addEntry{Entry: newEntry(kernel.Entry{NS: l.NS, Link: &l}, a, func(msg []byte) []byte { return msg })}
	if err := op.Valid(); err != nil {
		t.Error(err)
	}
	record, err := json.Marshal(op)
	if err != nil {
		t.Fatal(err)
	}
	raw := key.encode()
	if !bytes.Contains(op.Whole, raw) || bytes.Contains(op.Msg, raw[:8]) || bytes.Contains(op.Msg, raw[8:16]) {
		t.Errorf("the request is %x, and the record has %x", op.Whole, op.Msg)
	}
	for _, text := range []string{string(record), op.Command()} {
		if strings.Contains(text, wgSecret[:12]) {
			t.Errorf("%s has the key in it", text)
		}
	}
	const want = "wg set wg0 peer AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAI= preshared-key FILE " +
		"endpoint [fd02::2]:7000 persistent-keepalive 25 allowed-ips 10.0.0.0/8,fd00::/8"
	if got := op.Command(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := (&delEntry{Entry: op.Entry}).Command(); !strings.HasSuffix(got, "AAI= remove") {
		t.Error(got)
	}
}
