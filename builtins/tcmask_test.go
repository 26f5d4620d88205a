package builtins

import (
	"testing"

	"go.starlark.net/starlark"
)

// TestMaskWithHoles reads a mask of somebody else's filter whose bits are those of no prefix: it is shown, and sent
// back, as it is.
func TestMaskWithHoles(t *testing.T) {
	data := []byte{10, 0, 0, 1, 255, 0, 0, 255}
	var a maskedPrefix
	a.decode(data)
	if got := a.String(); got != "10.0.0.1/255.0.0.255" || string(a.encode()) != string(data) {
		t.Errorf("got %s, encoded as %v", got, a.encode())
	}
	for _, mask := range []string{"10.0.0.0/8", "10.0.0.1", "0.0.0.0/0"} {
		var given, read maskedPrefix
		if err := given.Unpack(starlark.String(mask)); err != nil {
			t.Fatal(err)
		}
		if read.decode(given.encode()); read.String() != mask {
			t.Errorf("%s is shown as %s", mask, read)
		}
	}
}

// TestZeroOfSFB gives a new one a 0, which is no default, and changes one that has a 0.
func TestZeroOfSFB(t *testing.T) {
	zero, ten := whole[width32](0), whole[width32](10)
	options, err := sfbQdisc.options(map[string]kindAttr{"max": &zero, "penalty_rate": &zero}, nil)
	if err == nil {
		options, err = sfbQdisc.options(map[string]kindAttr{"limit": &ten}, options)
	}
	if err != nil {
		t.Fatal(err)
	}
	o := sfbQdisc.parse(options)
	for word, want := range map[string]int{"max": 0, "penalty_rate": 0, "penalty_burst": 20, "limit": 10} {
		if got := o.number(sfbQdisc.word(word).at); got != want {
			t.Errorf("%s is %d, want %d", word, got, want)
		}
	}
}
