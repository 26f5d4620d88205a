package builtins

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/kernel"
)

var _ = declareEntry(entryKind{Name: "xfrm_state", Command: "ip xfrm state",
	Args: &xfrmStateArgs{Proto: "esp", Mode: "transport"}, Key: []string{"src", "dst", "proto", "spi"},
	Doc: "Adds a state: how IPsec protects packets from one host to another, one direction of both (ip-xfrm(8)). " +
		"xfrm_policy says which packets. Keys are never shown.",
	Value:  "A state of IPsec (ip-xfrm(8)). Algorithms are shown by their names.",
	NSList: "xfrm_states", ListDoc: "its states of IPsec (ip-xfrm(8))", Needs: []string{"ipsec"},
	Has: []runtime.Attr{xfrmCounter("bytes", "how many bytes it has protected", 160),
		xfrmCounter("packets", "how many packets it has protected", 168)}})

// xfrmCounter is a part of struct xfrm_lifetime_cur.
func xfrmCounter(name, doc string, at int) runtime.Attr {
	return entryAttr(name, "int", doc, func(_ *runtime.View, e kernel.Entry) (starlark.Value, error) {
		return starlark.MakeUint64(binary.NativeEndian.Uint64(e.Msg[at:])), nil
	})
}

type xfrmStateArgs struct {
	NS     nsArg                     `arg:"ns" doc:"the namespace"`
	_      struct{}                  `arg:"*"`
	Src    placed[srcStatePlace]     `arg:"src" nla:"@56" doc:"address of the host that sends"`
	Dst    placed[dstStatePlace]     `arg:"dst" nla:"@56" doc:"address of the host that receives"`
	Proto  xfrmProto                 `arg:"proto?" nla:"@76" doc:"esp (RFC 4303), ah (RFC 4302) or comp (RFC 3173)"`
	SPI    whole[widthSPI]           `arg:"spi" nla:"@72" doc:"number of the state in the packets, 1 to 4294967295"`
	ReqID  *whole[width32]           `arg:"reqid?" nla:"@208" doc:"number by which templates of policies ask for it; 0 is none"`
	Mode   xfrmMode                  `arg:"mode?" nla:"@214" zero:"yes" doc:"transport, tunnel (whole packets in packets), or beet"`
	Replay *whole[width8]            `arg:"replay_window?" nla:"@215" ip:"replay-window" doc:"how many packets may overtake one, 0 to 32; 0, when left out, does not look for packets that come twice"`
	Mark   *markArg                  `arg:"mark?" nla:"21" doc:"mark of the packets that it is for: a number, or \"MARK/MASK\""`
	IfID   *whole[width32]           `arg:"if_id?" nla:"31" doc:"number of the xfrm link that it is for; 0 is none"`
	AEAD   *xfrmAlgo[cutAlgorithm]   `arg:"aead?" nla:"18" doc:"algorithm that encrypts and signs, its key and the bits of its signature: (\"rfc4106(gcm(aes))\", \"0x...\", 128)"`
	Enc    *xfrmAlgo[plainAlgorithm] `arg:"enc?" nla:"2" doc:"algorithm that encrypts, and its key: (\"cbc(aes)\", \"0x...\")"`
	Auth   *xfrmAlgo[cutAlgorithm]   `arg:"auth?" nla:"20" ip:"auth-trunc" doc:"algorithm that signs, its key, and how many bits are sent, which the kernel knows: (\"hmac(sha256)\", \"0x...\")"`
}

func (a *xfrmStateArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	switch {
	case !a.Src.IsSingleIP() || !a.Dst.IsSingleIP():
		return nil, errors.New("xfrm_state: src= and dst= are addresses of two hosts")
	case a.Src.Addr().Is4() != a.Dst.Addr().Is4():
		return nil, errors.New("xfrm_state: src= and dst= are of two families")
	}
	return addNew(tx, kernel.Entry{NS: a.NS.NSRef}, a, a.finish)
}

// finish writes what no word says.
func (a *xfrmStateArgs) finish(msg []byte) []byte {
	msg[40] = netlinkFamily(a.Src.Addr())          // of the packets that it carries
	copy(msg[96:], bytes.Repeat([]byte{0xff}, 32)) // without limits
	return msg
}

// xfrmExample is a state.
func xfrmExample() *xfrmStateArgs {
	a := &xfrmStateArgs{Proto: "esp", Mode: "transport", SPI: 256,
		AEAD: &xfrmAlgo[cutAlgorithm]{name: "rfc4106(gcm(aes))", key: make([]byte, 20), bits: 128}}
	a.Src.Prefix, a.Dst.Prefix = netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	return a
}
