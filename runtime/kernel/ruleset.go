package kernel

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// A Ruleset is all that nftables(8) has in a namespace at one moment, as the kernel itself tells it.
type Ruleset struct {
	Gen   uint32  `json:"gen"` // which the kernel counts up with each transaction
	Parts []Nfmsg `json:"parts,omitempty"`
}

// An Nfmsg is a message of nf_tables that adds something: the number of its command, a struct nfgenmsg, whose first
// byte is the family, and attributes, the first of which is the table's name.
type Nfmsg []byte

const (
	nfHeader   = 5 // the command and a struct nfgenmsg
	nfTable    = 1 // NFTA_..._TABLE, and NFTA_TABLE_NAME
	nfName     = 2 // NFTA_SET_NAME, NFTA_OBJ_NAME, NFTA_FLOWTABLE_NAME
	nfChain    = 3 // NFTA_CHAIN_NAME
	ruleHandle = 3 // NFTA_RULE_HANDLE
)

func (p Nfmsg) command() int        { return int(p[0]) }
func (p Nfmsg) attr(typ int) []byte { return rtnl.Attr(p, nfHeader, typ) }

// table is the same for all that is in one table.
func (p Nfmsg) table() string { return string(p[1]) + unix.ByteSliceToString(p.attr(nfTable)) }

// identity is the same for a part that nobody has changed.
func (p Nfmsg) identity() string {
	if p.command() == unix.NFT_MSG_NEWRULE {
		return string(p.attr(ruleHandle)) + string(p.settled())
	}
	return string(p.settled())
}

// String names the part's table, and what of it the part is.
func (p Nfmsg) String() string {
	word, name := map[int]string{unix.NFT_MSG_NEWCHAIN: "chain ", unix.NFT_MSG_NEWRULE: "rule in chain ",
		unix.NFT_MSG_NEWSET: "set ", unix.NFT_MSG_NEWSETELEM: "elements of set ", unix.NFT_MSG_NEWOBJ: "object ",
		unix.NFT_MSG_NEWFLOWTABLE: "flowtable "}[p.command()], nfName
	if p.command() == unix.NFT_MSG_NEWCHAIN {
		name = nfChain
	}
	table := "table " + nfFamilies[p[1]] + " " + unix.ByteSliceToString(p.attr(nfTable))
	if word == "" {
		return table
	}
	return word + unix.ByteSliceToString(p.attr(name)) + " of " + table
}

// nfFamilies are nft(8)'s words for the families of tables.
var nfFamilies = map[byte]string{unix.NFPROTO_INET: "inet", unix.NFPROTO_IPV4: "ip", unix.NFPROTO_ARP: "arp",
	unix.NFPROTO_NETDEV: "netdev", unix.NFPROTO_BRIDGE: "bridge", unix.NFPROTO_IPV6: "ip6"}

// nfDumps are the commands that list all parts but elements, which are listed set by set, in an order in which they can
// be added: what refers to another comes after it.
var nfDumps = []struct{ get, add int }{{unix.NFT_MSG_GETTABLE, unix.NFT_MSG_NEWTABLE},
	{unix.NFT_MSG_GETCHAIN, unix.NFT_MSG_NEWCHAIN}, {unix.NFT_MSG_GETOBJ, unix.NFT_MSG_NEWOBJ},
	{unix.NFT_MSG_GETSET, unix.NFT_MSG_NEWSET}, {unix.NFT_MSG_GETFLOWTABLE, unix.NFT_MSG_NEWFLOWTABLE},
	{unix.NFT_MSG_GETSETELEM, unix.NFT_MSG_NEWSETELEM}, {unix.NFT_MSG_GETRULE, unix.NFT_MSG_NEWRULE}}

// Valid says what is wrong with a ruleset.
func (r *Ruleset) Valid() error {
	for _, p := range r.Parts {
		if err := rtnl.ValidMsg(p, nfHeader); err != nil {
			return fmt.Errorf("a part of a ruleset: %w", err)
		}
		known := slices.ContainsFunc(nfDumps, func(d struct{ get, add int }) bool { return d.add == p.command() })
		if !known || nfFamilies[p[1]] == "" || p.attr(nfTable) == nil {
			return fmt.Errorf("a part of a ruleset adds nothing to a table: %.40x", []byte(p))
		}
	}
	return nil
}

// Ruleset reads the ruleset of the namespace. A kernel without nf_tables has an empty one.
func (n *Namespace) Ruleset() (r *Ruleset, err error) {
	for range rulesetTries {
		if r, err = n.ruleset(); !errors.Is(err, rtnl.ErrInterrupted) && !errors.Is(err, unix.ENOENT) {
			break // what was listed may have gone before it was asked for
		}
	}
	return r, fail(err, "read ruleset", "", n)
}

// rulesetTries bounds how often a ruleset is read that changes meanwhile.
const rulesetTries = 20

func (n *Namespace) ruleset() (*Ruleset, error) {
	c, err := n.speak(unix.NETLINK_NETFILTER)
	if errors.Is(err, unix.EPROTONOSUPPORT) {
		return &Ruleset{}, nil
	} else if err != nil {
		return nil, err
	}
	gen, err := n.generation(c)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		return &Ruleset{}, nil
	} else if err != nil {
		return nil, err
	}
	r := &Ruleset{Gen: gen}
	var sets []Nfmsg
	for _, d := range nfDumps {
		asks := []rtnl.Raw{make(rtnl.Raw, nfHeader-1)}
		if d.get == unix.NFT_MSG_GETSETELEM {
			asks = nil
			for _, s := range sets {
				ask := AppendAttr(slices.Clone(s[1:nfHeader]), nfTable, s.attr(nfTable))
				asks = append(asks, AppendAttr(ask, nfName, s.attr(nfName)))
			}
		}
		for _, ask := range asks {
			all, err := c.Dump(n.m.buf, unix.NFNL_SUBSYS_NFTABLES<<8|d.get, ask)
			if errors.Is(err, unix.EOPNOTSUPP) {
				continue
			} else if err != nil {
				return nil, err
			}
			for _, raw := range all {
				part := append(Nfmsg{byte(d.add)}, raw...)
				if len(part) < nfHeader {
					return nil, unix.EBADMSG
				}
				if d.get == unix.NFT_MSG_GETSET {
					sets = append(sets, part)
				}
				if d.get != unix.NFT_MSG_GETSETELEM || part.attr(setElements) != nil {
					clear(part[3:nfHeader]) // res_id, which has a part of the generation
					r.Parts = append(r.Parts, part)
				}
			}
		}
		if d.get == unix.NFT_MSG_GETTABLE && r.Parts == nil {
			break
		}
	}
	if after, err := n.generation(c); err != nil || after != gen {
		return nil, errors.Join(err, rtnl.ErrInterrupted)
	}
	return r, nil
}

const (
	setElements = 3 // NFTA_SET_ELEM_LIST_ELEMENTS
	setFlags    = 3 // NFTA_SET_FLAGS
)

// generation is the number of the ruleset's last transaction.
func (n *Namespace) generation(c *rtnl.Conn) (uint32, error) {
	raw, err := c.Get(n.m.buf, unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETGEN, make(rtnl.Raw, nfHeader-1))
	if err != nil {
		return 0, err
	}
	if id := rtnl.Attr(raw, nfHeader-1, 1); len(id) >= 4 { // NFTA_GEN_ID
		return binary.BigEndian.Uint32(id), nil
	}
	return 0, unix.EBADMSG
}

// tables are the parts by their tables, and these in their order.
func (r *Ruleset) tables() (byTable map[string][]Nfmsg, order []string) {
	byTable = map[string][]Nfmsg{}
	for _, p := range r.Parts {
		if byTable[p.table()] == nil {
			order = append(order, p.table())
		}
		byTable[p.table()] = append(byTable[p.table()], p)
	}
	return byTable, order
}

// Same reports whether two rulesets say the same, whatever they have counted and however long their elements last.
func (r *Ruleset) Same(other *Ruleset) bool {
	mine, order := r.tables()
	theirs, others := other.tables()
	return slices.Equal(order, others) && !slices.ContainsFunc(order, func(t string) bool {
		return !sameTable(mine[t], theirs[t])
	})
}

func sameTable(a, b []Nfmsg) bool {
	return slices.EqualFunc(lasting(a), lasting(b), func(a, b []byte) bool { return bytes.Equal(a, b) })
}

// lasting is what of a table's parts stays when nobody changes it, elements one by one and sorted: the kernel lists
// them in any order.
func lasting(parts []Nfmsg) (all [][]byte) {
	var elements [][]byte
	for _, p := range parts {
		p = p.settled()
		if p.command() != unix.NFT_MSG_NEWSETELEM {
			all = append(all, p)
			continue
		}
		for e := range rtnl.Nested(p.attr(setElements)) {
			elements = append(elements, slices.Concat(p.attr(nfName), e))
		}
	}
	slices.SortFunc(elements, bytes.Compare)
	return append(all, elements...)
}

// Sum is the same for rulesets that say the same, but for what the kernel itself adds to sets and takes out of them.
func (r *Ruleset) Sum() string {
	moving := map[string]bool{}
	for _, p := range r.Parts {
		if p.command() == unix.NFT_MSG_NEWSET &&
			nfNumber(p.attr(setFlags))&(unix.NFT_SET_EVAL|unix.NFT_SET_TIMEOUT) != 0 {
			moving[p.table()+string(p.attr(nfName))] = true
		}
	}
	stays := &Ruleset{}
	for _, p := range r.Parts {
		if p.command() != unix.NFT_MSG_NEWSETELEM || !moving[p.table()+string(p.attr(nfName))] {
			stays.Parts = append(stays.Parts, p)
		}
	}
	tables, order := stays.tables()
	slices.Sort(order)
	sum := sha256.New()
	for _, t := range order {
		for _, p := range lasting(tables[t]) {
			fmt.Fprintf(sum, "%d\n%s", len(p), p)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}
