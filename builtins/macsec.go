package builtins

import (
	"cmp"
	"encoding/hex"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "macsec", Args: &macsecArgs{},
	Doc: "Makes a macsec link: what goes through it leaves the link below signed or encrypted (ip-macsec(8), IEEE " +
		"802.1AE). Its keys are given to it by another program. It is not made again when its deletion is " +
		"undone: no secret is written to a journal."})

type macsecArgs struct {
	Link linkArg  `arg:"link" nla:"lower" doc:"link that it stands on"`
	NS   *nsArg   `arg:"ns?" doc:"namespace that it is in; that of the link when left out"`
	_    struct{} `arg:"*"`
	newLinkArgs
	SCI        macsecSCI         `info:"sci" nla:"1" doc:"secure channel identifier, its MAC address and its port, 16 hexadecimal digits"`
	Port       *whole[widthPort] `arg:"port?" nla:"2" doc:"its number in the secure channel identifier, 1 to 65535; 1 when left out"`
	Cipher     *macsecCipher     `arg:"cipher?" nla:"4" doc:"cipher suite: gcm-aes-128, gcm-aes-256, gcm-aes-xpn-128 or gcm-aes-xpn-256; gcm-aes-128 when left out"`
	ICVLen     *whole[width8]    `arg:"icvlen?" nla:"3" doc:"bytes of a frame's check value, 8 to 16; 16 when left out"`
	Encrypt    *switched         `arg:"encrypt?" nla:"7" set:"yes" doc:"whether frames are encrypted, and not only signed"`
	SendSCI    *switched         `arg:"send_sci?" nla:"9" set:"yes" doc:"whether frames say their secure channel"`
	EndStation *switched         `arg:"end_station?" nla:"10" set:"yes" doc:"whether frames say that the sender is an end station, instead of send_sci="`
	SCB        *switched         `arg:"scb?" nla:"11" set:"yes" doc:"whether frames say that they are for all (single copy broadcast), instead of send_sci="`
	Protect    *switched         `arg:"protect?" nla:"8" set:"yes" doc:"whether frames are signed; without that it sends them as they are"`
	Replay     *switched         `arg:"replay?" nla:"12" doc:"whether late frames are dropped, with window="`
	Window     *whole[width32]   `arg:"window?" nla:"5" doc:"by how many numbers a frame may be late, which replay= wants"`
	Validate   *macsecValidate   `arg:"validate?" nla:"13" set:"yes" doc:"what is wrong is dropped (strict), counted (check) or not looked at (disabled); strict when left out"`
	EncodingSA *whole[width8]    `arg:"encodingsa?" nla:"6" set:"yes" doc:"number of the association that frames are sent with, 0 to 3"`
}

type (
	macsecCipher   = oneOf[macsecCiphers, width64]
	macsecValidate = oneOf[macsecValidates, width8]

	macsecCiphers   struct{}
	macsecValidates struct{}
)

// The identifiers of IEEE 802.1AE, but for the first, which the kernel says by an older one (linux/if_macsec.h).
func (macsecCiphers) words() map[string]int {
	return map[string]int{"gcm-aes-128": 0x0080020001000001, "gcm-aes-256": 0x0080c20001000002,
		"gcm-aes-xpn-128": 0x0080c20001000003, "gcm-aes-xpn-256": 0x0080c20001000004}
}

func (macsecValidates) words() map[string]int {
	return map[string]int{"disabled": 0, "check": 1, "strict": 2}
}

// macsecSCI is a secure channel identifier.
type macsecSCI string

func (macsecSCI) ArgType() string         { return "string" }
func (a macsecSCI) encode() []byte        { data, _ := hex.DecodeString(string(a)); return data }
func (a *macsecSCI) decode(data []byte)   { *a = macsecSCI(hex.EncodeToString(data)) }
func (a macsecSCI) ip(word string) string { return word + " " + string(a) }
func (a macsecSCI) value() starlark.Value { return starlark.String(a) }

func (a *macsecArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, cmp.Or(a.NS, &nsArg{a.Link.NS}).NSRef, a, &a.newLinkArgs)
}
