package builtins

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
)

var wgKeyDecl = runtime.Query("wg_key", "wg_key",
	"Makes a key of WireGuard, private or preshared, as `wg genkey` and `wg genpsk` do. What it is nobody is shown.",
	&wgKeyArgs{})

type wgKeyArgs struct {
	Text *wgKeyArg `arg:"text?" doc:"the key itself as wg genkey prints it, in base64; a new one when left out"`
}

func (a *wgKeyArgs) Query(v *runtime.View) (starlark.Value, error) {
	if a.Text != nil {
		return &wgKeyValue{v, a.Text.key}, nil
	}
	key, err := newWGKey()
	return &wgKeyValue{v, key}, err
}

// newWGKey is a key that nobody else has.
func newWGKey() (*ecdh.PrivateKey, error) { return ecdh.X25519().GenerateKey(rand.Reader) }

// wgKeyValue is a secret key in a script.
type wgKeyValue struct {
	v   *runtime.View
	key *ecdh.PrivateKey
}

var (
	_ starlark.HasAttrs   = (*wgKeyValue)(nil)
	_ starlark.Comparable = (*wgKeyValue)(nil)
)

func (k *wgKeyValue) Freeze()                                  {}
func (k *wgKeyValue) Truth() starlark.Bool                     { return true }
func (k *wgKeyValue) String() string                           { return "wg_key of " + k.public() }
func (k *wgKeyValue) Type() string                             { return "wg_key" }
func (k *wgKeyValue) Hash() (uint32, error)                    { return starlark.String(k.public()).Hash() }
func (k *wgKeyValue) Attr(name string) (starlark.Value, error) { return k.v.Attr(k.Type(), k, name) }
func (k *wgKeyValue) AttrNames() []string                      { return k.v.AttrNames(k.Type()) }

func (k *wgKeyValue) public() string {
	return base64.StdEncoding.EncodeToString(k.key.PublicKey().Bytes())
}

// CompareSameType makes two values of one key equal.
func (k *wgKeyValue) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	return equal(op, k.Type(), k.key.Equal(other.(*wgKeyValue).key))
}

var wgKeyType = &runtime.Type{Name: "wg_key", Doc: "A secret key of WireGuard (wg(8)). It prints as its public key.",
	Attrs: []runtime.Attr{{Name: "public_key", Type: "string", Doc: "the public key that belongs to it, in base64",
		Get: func(_ *runtime.View, val starlark.Value) (starlark.Value, error) {
			return starlark.String(val.(*wgKeyValue).public()), nil
		}}}}

// wgKeyArg is a secret key: a value, or its text.
type wgKeyArg struct{ key *ecdh.PrivateKey }

func (wgKeyArg) ArgType() string { return "wg_key or string" }

// Unpack does not say what the text is: it may be a key but for one letter.
func (a *wgKeyArg) Unpack(val starlark.Value) error {
	if k, ok := val.(*wgKeyValue); ok {
		a.key = k.key
		return nil
	}
	s, ok := starlark.AsString(val)
	if !ok {
		return want("wg_key() or the text of a key", val)
	}
	raw, err := decodeWGKey(s)
	if err == nil {
		a.key, err = ecdh.X25519().NewPrivateKey(raw)
	}
	return err
}

var errNoWGKey = errors.New("it is no key of WireGuard: want 44 characters of base64, as wg(8) prints them")

func decodeWGKey(s string) ([]byte, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != 32 {
		return nil, errNoWGKey
	}
	return raw, nil
}

func (a wgKeyArg) encode() []byte      { return a.key.Bytes() }
func (wgKeyArg) hidden() []byte        { return nil } // that it is there
func (a wgKeyArg) public() []byte      { return a.key.PublicKey().Bytes() }
func (wgKeyArg) decode([]byte)         {}
func (wgKeyArg) ip(word string) string { return word + " FILE" }
func (wgKeyArg) value() starlark.Value { return starlark.None }

// wgPublicKey is a public key that is shown.
type wgPublicKey string

func (a wgPublicKey) encode() []byte        { return []byte(a) }
func (a *wgPublicKey) decode(data []byte)   { *a = wgPublicKey(data) }
func (a wgPublicKey) ip(word string) string { return word }
func (a wgPublicKey) text() string          { return base64.StdEncoding.EncodeToString([]byte(a)) }
func (a wgPublicKey) value() starlark.Value { return starlark.String(a.text()) }
