package kernel

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// shownOnly are the attributes of each part that the kernel shows and does not take: handles, how much something is
// used, who owns it (linux/netfilter/nf_tables.h).
var shownOnly = map[int][]int{
	unix.NFT_MSG_NEWTABLE:     {3, 4, 7},
	unix.NFT_MSG_NEWCHAIN:     {2, 6},
	unix.NFT_MSG_NEWRULE:      {ruleHandle, 6},
	unix.NFT_MSG_NEWSET:       {setID, 16, 19, 20},
	unix.NFT_MSG_NEWSETELEM:   {},
	unix.NFT_MSG_NEWOBJ:       {5, 6},
	unix.NFT_MSG_NEWFLOWTABLE: {4, 5},
}

const (
	setID           = 10 // NFTA_SET_ID
	ruleExpressions = 4  // NFTA_RULE_EXPRESSIONS
	chainCounters   = 8  // NFTA_CHAIN_COUNTERS
	objType         = 3  // NFTA_OBJ_TYPE
	objData         = 4  // NFTA_OBJ_DATA
	elemExpiration  = 5  // NFTA_SET_ELEM_EXPIRATION
	elemExpr        = 7  // NFTA_SET_ELEM_EXPR
	elemExprs       = 11 // NFTA_SET_ELEM_EXPRESSIONS
	exprName        = 1  // NFTA_EXPR_NAME
	exprData        = 2  // NFTA_EXPR_DATA
)

// counts are the attributes of expressions that count; those of objects have the same numbers.
var counts = map[string][]int{"counter": {1, 2}, "quota": {4}, "last": {1, 2}, "connlimit": {}}

// objectKinds are the objects that count, by NFTA_OBJ_TYPE.
var objectKinds = map[uint32]string{1: "counter", 2: "quota"}

// unflagged are expressions that have a 0 among their attributes which they do not take back.
var unflagged = map[string]int{"exthdr": 5, "osf": 3} // NFTA_EXTHDR_FLAGS, NFTA_OSF_FLAGS

// edited is some attributes, each with the value that fn gives it: nil leaves it out.
func edited(attrs []byte, header int, fn func(typ int, value []byte) []byte) []byte {
	out := slices.Clone(attrs[:header])
	for at, typ := range rtnl.Attrs(attrs, header) {
		end := at + int(binary.NativeEndian.Uint16(attrs[at:]))
		if value := fn(typ, attrs[at+4:end]); value != nil {
			out = AppendAttr(out, int(binary.NativeEndian.Uint16(attrs[at+2:])), value)
		}
	}
	return out
}

// without leaves attributes of some types out.
func without(typs []int) func(typ int, value []byte) []byte {
	return func(typ int, value []byte) []byte {
		if slices.Contains(typs, typ) {
			return nil
		}
		return value
	}
}

// expression is one with the attributes that fn gives it.
func expression(expr []byte, fn func(name string) func(typ int, value []byte) []byte) []byte {
	name := unix.ByteSliceToString(rtnl.Attr(expr, 0, exprName))
	return edited(expr, 0, func(typ int, value []byte) []byte {
		if typ == exprData && fn(name) != nil {
			return edited(value, 0, fn(name))
		}
		return value
	})
}

// expressions are those of a list.
func expressions(list []byte, fn func(name string) func(typ int, value []byte) []byte) []byte {
	return edited(list, 0, func(_ int, expr []byte) []byte { return expression(expr, fn) })
}

// sent is the part as the kernel takes it. id is a number that no other set of the batch has.
func (p Nfmsg) sent(id int) Nfmsg {
	leave := without(shownOnly[p.command()])
	out := edited(p, nfHeader, func(typ int, value []byte) []byte {
		if p.command() == unix.NFT_MSG_NEWRULE && typ == ruleExpressions {
			return expressions(value, func(name string) func(int, []byte) []byte {
				flags, ok := unflagged[name]
				if !ok {
					return nil
				}
				return func(typ int, value []byte) []byte {
					if typ == flags && nfNumber(value) == 0 {
						return nil
					}
					return value
				}
			})
		}
		return leave(typ, value)
	})
	if p.command() == unix.NFT_MSG_NEWSET {
		out = AppendAttr(out, setID, binary.BigEndian.AppendUint32(nil, uint32(id)))
	}
	return out
}

// settled is the part without what it has counted, how long it still lasts, and what the kernel only shows of it.
func (p Nfmsg) settled() Nfmsg {
	uncounted := func(name string) func(int, []byte) []byte {
		if counts[name] == nil {
			return nil
		}
		return without(counts[name])
	}
	leave := without(shownOnly[p.command()])
	return edited(p, nfHeader, func(typ int, value []byte) []byte {
		switch p.command() {
		case unix.NFT_MSG_NEWRULE:
			if typ == ruleExpressions {
				return expressions(value, uncounted)
			}
		case unix.NFT_MSG_NEWSETELEM:
			if typ == setElements {
				return edited(value, 0, func(_ int, element []byte) []byte {
					return settledElement(element, uncounted)
				})
			}
		case unix.NFT_MSG_NEWOBJ:
			if kind := objectKinds[nfNumber(p.attr(objType))]; typ == objData && kind != "" {
				return edited(value, 0, without(counts[kind]))
			}
		case unix.NFT_MSG_NEWCHAIN:
			if typ == chainCounters {
				return nil
			}
		}
		return leave(typ, value)
	})
}

func settledElement(element []byte, uncounted func(name string) func(int, []byte) []byte) []byte {
	return edited(element, 0, func(typ int, value []byte) []byte {
		switch typ {
		case elemExpiration:
			return nil
		case elemExpr:
			return expression(value, uncounted)
		case elemExprs:
			return expressions(value, uncounted)
		}
		return value
	})
}

// nfNumber is a number as nf_tables writes it, 0 for none.
func nfNumber(value []byte) uint32 {
	if len(value) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(value)
}

// nfLong is a number of 64 bits.
func nfLong(value []byte) uint64 {
	if len(value) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(value)
}
