// Package builtins is the vocabulary of scenarios: one noun a file, each builtin declared once, all of them in one
// table. It knows what a network is made of; how a run, a journal or Starlark works it leaves to package runtime.
package builtins

import (
	"slices"

	"go.starlark.net/lib/math"
	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
)

// All is the whole vocabulary, in the order of the reference. A program that embeds nsscript appends its own
// declarations to the table that it gets.
func All() *runtime.Vocabulary {
	return &runtime.Vocabulary{
		Decls: slices.Concat([]*runtime.Decl{
			netnsDecl, netnsAtDecl, namespacesDecl, nsLinkDecl, nsDeleteDecl,
		}, kindDecls(), []*runtime.Decl{
			setDecl(), upDecl, downDecl, linkDeleteDecl,
			addrDecl, addrDeleteDecl,
		}, routeDecls(), entryDecls(), tcDecls(), fileDecls, []*runtime.Decl{
			nsFlushDecl, linkFlushDecl,
			wgKeyDecl, sysctlDecl, subnetsDecl, hostsDecl, networkDecl, poolNextDecl, poolTakeDecl,
			nftDecl, rulesDecl, masqueradeDecl, snatDecl, dnatDecl, redirectDecl, acceptDecl, dropDecl, rejectDecl,
			markDecl, ownRuleDeleteDecl, conntrackDecl, connDeleteDecl, connFlushDecl,
			pingDecl, pingAllDecl, traceDecl, pmtuDecl, arpingDecl, ndpingDecl, runDecl, countersDecl, socketsDecl,
		}, socketDecls, captureDecls(), processDecls, []*runtime.Decl{
			attemptDecl, unwrapDecl, eventuallyDecl, waitDecl, readyDecl, monitorDecl, expectDecl, monitorStopDecl,
			sleepDecl, parallelDecl, parallelMapDecl, atDecl, everyDecl, onExitDecl, failDecl,
			assertEq, assertNe, assertTrue, assertFalse, assertContains, assertNotContains, assertMatches, assertNear,
			assertLt, assertLe, assertGt, assertGe, assertFails, skipDecl, requireDecl,
			structDecl, helpDecl,
		}),
		Types: slices.Concat([]*runtime.Type{listing(nsType), listing(linkType), addrType, fileType, folderType},
			routeTypes(), entryTypes(), []*runtime.Type{
				shapeType, actionType, wgKeyType, poolType, rulesetType, ownRuleType,
				connectionsType, connectionType, pingType, reachType, listenerType, streamType, udpType,
				throughputType, traceType, pmtuType, solicitedType,
				captureType, packetType, headerType,
				runType, processType, attemptType, monitorType, testType}),
		Ops: slices.Concat([]change.Op{&addNetns{}, &delNetns{}, &addLink{}, &delLink{}, &setLink{},
			&setWord{}, &setOffloads{}, &moveLink{}, &addAddr{}, &delAddr{}, &setSysctl{}, &changeRules{},
			&delConnection{}, &addCgroup{}, &addPIDs{}, &startProcess{}, &addFile{}, &setFile{}, &delFile{}},
			entryOps(), tcOps(), routeOps()),
		Modules:  starlark.StringDict{"json": jsonModule(), "math": math.Module, "time": time.Module},
		Features: features(),
		Topics:   topics(),
		Test:     func(v *runtime.View, name string) starlark.Value { return &testValue{v, name} },
		Host:     func(v *runtime.View) starlark.Value { return &nsValue{v, v.Machine().Host().Ref()} },
	}
}
