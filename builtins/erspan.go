package builtins

import (
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
)

var _ = declareKind(linkKind{Name: "erspan", Args: &erspanArgs{ISeq: true, OSeq: true},
	Module: "ip_gre", Config: "NET_IPGRE",
	Doc: "Makes an erspan link: copies of Ethernet frames over GRE over IPv4, for who looks at them elsewhere."})

type erspanArgs struct {
	NS nsArg    `arg:"ns" doc:"namespace that it is in"`
	_  struct{} `arg:"*"`
	newLinkArgs
	gre4
	Key     whole[widthSession]  `arg:"key" doc:"number of the session, 0 to 1023, the same at both ends"`
	IKey    whole[widthKey]      `nla:"4" ip:"ikey" on:"2"`
	OKey    whole[widthKey]      `nla:"5" ip:"okey" on:"3"`
	ISeq    toggleIn[bitSeq]     `nla:"2" ip:"iseq"`
	OSeq    toggleIn[bitSeq]     `nla:"3" ip:"oseq"`
	Version *whole[widthVersion] `arg:"erspan_ver?" nla:"22" doc:"version, 0 to 2; 1 when left out"`
	Index   *whole[widthIndex]   `arg:"erspan?" nla:"21" doc:"index of the port that was looked at, 0 to 1048575, of version 1"`
	Dir     *erspanDir           `arg:"erspan_dir?" nla:"23" doc:"which way what was looked at went: ingress or egress, of version 2"`
	HWID    *whole[widthHWID]    `arg:"erspan_hwid?" nla:"24" doc:"number of the engine that looked, 0 to 63, of version 2"`
}

func (a *erspanArgs) Change(tx *runtime.Tx) (starlark.Value, error) {
	return makeLink(tx, a.NS.NSRef, a, &a.newLinkArgs)
}

// fill gives both directions the session, which is a key.
func (a *erspanArgs) fill() { a.IKey, a.OKey = whole[widthKey](a.Key), whole[widthKey](a.Key) }

type (
	widthSession struct{}
	widthVersion struct{}
	widthIndex   struct{}
	widthHWID    struct{}
)

func (widthSession) width() (size, least, most int, big bool) { return 4, 0, 1<<10 - 1, true }
func (widthVersion) width() (size, least, most int, big bool) { return 1, 0, 2, false }
func (widthIndex) width() (size, least, most int, big bool)   { return 4, 0, 1<<20 - 1, false }
func (widthHWID) width() (size, least, most int, big bool)    { return 2, 0, 63, false }

type erspanDir = oneOf[erspanDirs, width8]

type erspanDirs struct{}

func (erspanDirs) words() map[string]int { return map[string]int{"ingress": 0, "egress": 1} }
