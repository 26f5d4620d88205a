package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsscript/nsscript/runtime/kernel/rtnl"
)

// OwnTable is the table of family inet that nsscript's own rules are in. No other is touched by them.
const OwnTable = "nsscript"

// ownChains are the chains of that table: their type, their hook by its number in linux/netfilter.h, and their
// priority.
var ownChains = map[string]struct {
	kind, hook string
	number     uint32
	priority   int32
}{
	"dstnat":     {"nat", "prerouting", unix.NF_INET_PRE_ROUTING, -100},
	"dstnat_out": {"nat", "output", unix.NF_INET_LOCAL_OUT, -100},
	"srcnat":     {"nat", "postrouting", unix.NF_INET_POST_ROUTING, 100},
	"mangle":     {"filter", "prerouting", unix.NF_INET_PRE_ROUTING, -150},
	"mangle_out": {"route", "output", unix.NF_INET_LOCAL_OUT, -150},
	"input":      {"filter", "input", unix.NF_INET_LOCAL_IN, 0},
	"forward":    {"filter", "forward", unix.NF_INET_FORWARD, 0},
	"output":     {"filter", "output", unix.NF_INET_LOCAL_OUT, 0},
}

// An OwnRule is a rule of that table. Its name is its comment, by which it is found again.
type OwnRule struct {
	Chain, Name string
	Terms       []Term
}

var ownHead = []byte{unix.NFPROTO_INET, 0, 0, 0} // struct nfgenmsg

func text(s string) []byte { return append([]byte(s), 0) }

// OwnRules is what adds rules to that table, as the text that does so by nft(8) and as the kernel's messages: with the
// table and the chains, where these are not there.
func OwnRules(rules []OwnRule) (script string, msgs []Nfmsg) {
	table := AppendAttr(slices.Clone(ownHead), nfTable, text(OwnTable))
	msgs = []Nfmsg{slices.Concat([]byte{unix.NFT_MSG_NEWTABLE}, table)}
	lines := []string{"add table inet " + OwnTable}
	made := map[string]bool{}
	for _, r := range rules {
		c := ownChains[r.Chain]
		if !made[r.Chain] {
			made[r.Chain] = true
			lines = append(lines, fmt.Sprintf("add chain inet %s %s { type %s hook %s priority %d; }", OwnTable,
				r.Chain, c.kind, c.hook, c.priority))
			hook := AppendAttr(AppendAttr(nil, 1, be32(c.number)), 2, be32(uint32(c.priority)))
			msg := AppendAttr(slices.Clone(table), nfChain, text(r.Chain))
			msg = AppendAttr(msg, chainHook|unix.NLA_F_NESTED, hook)
			msg = AppendAttr(AppendAttr(msg, chainPolicy, be32(1)), chainType, text(c.kind)) // NF_ACCEPT
			msgs = append(msgs, slices.Concat([]byte{unix.NFT_MSG_NEWCHAIN}, msg))
		}
		words, exprs := []string{"add rule inet", OwnTable, r.Chain}, []byte{}
		for _, t := range r.Terms {
			words, exprs = append(words, t.Text), append(exprs, t.expr...)
		}
		lines = append(lines, strings.Join(append(words, "comment "+strconv.Quote(r.Name)), " "))
		msg := AppendAttr(slices.Clone(table), ruleChain, text(r.Chain))
		msg = AppendAttr(msg, ruleExpressions|unix.NLA_F_NESTED, exprs)
		comment := append([]byte{0, byte(len(r.Name) + 1)}, text(r.Name)...) // as nft(8) writes it
		msgs = append(msgs, slices.Concat([]byte{unix.NFT_MSG_NEWRULE}, AppendAttr(msg, ruleUserdata, comment)))
	}
	return strings.Join(lines, "\n"), msgs
}

const (
	chainPolicy  = 5 // NFTA_CHAIN_POLICY
	chainType    = 7 // NFTA_CHAIN_TYPE
	ruleChain    = 2 // NFTA_RULE_CHAIN
	ruleUserdata = 7 // NFTA_RULE_USERDATA
)

// DeleteOwn is what deletes rules that were found.
func DeleteOwn(found []FoundRule) (script string, msgs []Nfmsg) {
	var lines []string
	for _, f := range found {
		lines = append(lines, fmt.Sprintf("delete rule inet %s %s handle %d", OwnTable, f.Chain, f.Handle))
		msg := AppendAttr(slices.Clone(ownHead), nfTable, text(OwnTable))
		msg = AppendAttr(msg, ruleChain, text(f.Chain))
		msg = AppendAttr(msg, ruleHandle, binary.BigEndian.AppendUint64(nil, f.Handle))
		msgs = append(msgs, slices.Concat([]byte{unix.NFT_MSG_DELRULE}, msg))
	}
	return strings.Join(lines, "\n"), msgs
}

// A FoundRule is a rule of the table as it is there.
type FoundRule struct {
	Chain, Name    string
	Handle         uint64
	Packets, Bytes uint64
}

// FindOwn lists the rules of the table that is nsscript's own.
func (n *Namespace) FindOwn() (found []FoundRule, err error) {
	r, err := n.Ruleset()
	if err != nil {
		return nil, err
	}
	for _, p := range r.Parts {
		if p.command() != unix.NFT_MSG_NEWRULE || p.table() != string(ownHead[0])+OwnTable {
			continue
		}
		f := FoundRule{Chain: unix.ByteSliceToString(p.attr(ruleChain)), Handle: nfLong(p.attr(ruleHandle))}
		if comment := p.attr(ruleUserdata); len(comment) > 2 && comment[0] == 0 {
			f.Name = unix.ByteSliceToString(comment[2:])
		}
		for e := range rtnl.Nested(p.attr(ruleExpressions)) {
			if counter := rtnl.Attr(e, 0, exprData); unix.ByteSliceToString(rtnl.Attr(e, 0, exprName)) == "counter" {
				f.Bytes, f.Packets = nfLong(rtnl.Attr(counter, 0, 1)), nfLong(rtnl.Attr(counter, 0, 2))
			}
		}
		found = append(found, f)
	}
	return found, nil
}

// ChangeRules makes the changes of some messages, all of them or none. Without commit the kernel only looks whether it
// would.
func (n *Namespace) ChangeRules(msgs []Nfmsg, commit bool) error {
	c, err := n.speak(unix.NETLINK_NETFILTER)
	var gen uint32
	if err == nil {
		gen, err = n.generation(c)
	}
	if err != nil {
		return lacking(fail(err, "change ruleset", "", n))
	}
	var batch []rtnl.Message
	for _, m := range msgs {
		flags := 0
		switch m.command() {
		case unix.NFT_MSG_NEWRULE:
			flags = unix.NLM_F_CREATE | unix.NLM_F_APPEND
		case unix.NFT_MSG_NEWTABLE, unix.NFT_MSG_NEWCHAIN:
			flags = unix.NLM_F_CREATE
		}
		batch = append(batch, rtnl.Message{Type: m.command(), Flags: flags, Body: m[1:]})
	}
	at, err := c.Batch(n.m.buf, unix.NFNL_SUBSYS_NFTABLES, gen, commit, batch)
	if at < 0 || at >= len(msgs) {
		at = 0
	}
	return lacking(fail(err, "change", msgs[at].String(), n))
}

// lacking adds a remedy to the error of a kernel that has no nf_tables, or not an expression of it.
func lacking(err error) error {
	var e *Error
	lacks := []error{unix.ENOENT, unix.EOPNOTSUPP, unix.EPROTONOSUPPORT, unix.EINVAL}
	if errors.As(err, &e) && slices.ContainsFunc(lacks, func(errno error) bool { return errors.Is(e.Err, errno) }) {
		e.Machine, e.Hint = true, NoRules
	}
	return err
}

// NoRules says how to have a kernel with all that rules need.
const NoRules = "modprobe nf_tables nft_ct nft_nat nft_masq nft_redir nft_reject_inet, a kernel with them " +
	"(CONFIG_NF_TABLES_INET, CONFIG_NFT_CT, CONFIG_NFT_NAT, CONFIG_NFT_MASQ, CONFIG_NFT_REDIR, CONFIG_NFT_REJECT), " +
	"or --kernel debian"
