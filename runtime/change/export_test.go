package change

import "github.com/nsscript/nsscript/runtime/journal"

// DecodeOp reads one op as it is read from a journal.
func DecodeOp(kinds []Op, kind string, data []byte) (Op, error) {
	all, err := Read(kinds, []journal.Record{{State: journal.Intent, Seq: 1, Kind: kind, Data: data}})
	if err != nil {
		return nil, err
	}
	return all[0].Op, nil
}
