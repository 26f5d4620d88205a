package builtins

import "cmp"

// The widths of what tunnels are made of (linux/if_tunnel.h), and the bits of GRE's flags.
type (
	widthKey     struct{} // __be32
	bitKey       struct{} // GRE_KEY, __be16
	bitSeq       struct{} // GRE_SEQ
	bitCsum      struct{} // GRE_CSUM
	bitUDPCsum   struct{} // TUNNEL_ENCAP_FLAG_CSUM, __u16
	widthAnyPort struct{}
	widthTClass  struct{} // of the first word of an IPv6 header
	widthFlow    struct{}
)

func (widthKey) width() (size, least, most int, big bool)     { return 4, 0, 1<<32 - 1, true }
func (bitKey) width() (size, least, most int, big bool)       { return 2, 0, 1, true }
func (bitSeq) width() (size, least, most int, big bool)       { return 2, 0, 1, true }
func (bitCsum) width() (size, least, most int, big bool)      { return 2, 0, 1, true }
func (bitUDPCsum) width() (size, least, most int, big bool)   { return 2, 0, 1, false }
func (widthAnyPort) width() (size, least, most int, big bool) { return 2, 0, 1<<16 - 1, true }
func (widthTClass) width() (size, least, most int, big bool)  { return 4, 0, 1<<8 - 1, true }
func (widthFlow) width() (size, least, most int, big bool)    { return 4, 0, 1<<20 - 1, true }

func (bitKey) below() int      { return 13 }
func (bitSeq) below() int      { return 12 }
func (bitCsum) below() int     { return 15 }
func (widthTClass) below() int { return 20 }
func (widthFlow) below() int   { return 0 }

// encapWord is what tunnels over UDP are (TUNNEL_ENCAP_*).
type encapWord = oneOf[encaps, width16]

type encaps struct{}

func (encaps) words() map[string]int { return map[string]int{"none": 0, "fou": 1, "gue": 2} }

// greKeys are the keys and flags of GRE, each for both directions or for one.
type greKeys struct {
	Key   *whole[widthKey]   `arg:"key?" doc:"key of both directions (RFC 2890), ikey= and okey= at once, 0 to 4294967295"`
	Seq   *bool              `arg:"seq?" doc:"whether packets are numbered in both directions (RFC 2890), iseq= and oseq= at once"`
	Csum  *bool              `arg:"csum?" doc:"whether packets have a checksum in both directions, icsum= and ocsum= at once"`
	IKey  *whole[widthKey]   `arg:"ikey?" nla:"4" on:"2" doc:"key that packets must come with, 0 to 4294967295"`
	OKey  *whole[widthKey]   `arg:"okey?" nla:"5" on:"3" doc:"key of its own packets, 0 to 4294967295"`
	ISeq  *toggleIn[bitSeq]  `arg:"iseq?" nla:"2" doc:"whether packets must come numbered, and late ones are dropped"`
	OSeq  *toggleIn[bitSeq]  `arg:"oseq?" nla:"3" doc:"whether it numbers its own packets"`
	ICsum *toggleIn[bitCsum] `arg:"icsum?" nla:"2" doc:"whether packets must come with a checksum"`
	OCsum *toggleIn[bitCsum] `arg:"ocsum?" nla:"3" doc:"whether its own packets have a checksum"`
}

// fill gives each direction what is for both, unless it has its own.
func (a *greKeys) fill() {
	a.IKey, a.OKey = cmp.Or(a.IKey, a.Key), cmp.Or(a.OKey, a.Key)
	seq, csum := (*toggleIn[bitSeq])(a.Seq), (*toggleIn[bitCsum])(a.Csum)
	a.ISeq, a.OSeq = cmp.Or(a.ISeq, seq), cmp.Or(a.OSeq, seq)
	a.ICsum, a.OCsum = cmp.Or(a.ICsum, csum), cmp.Or(a.OCsum, csum)
}
