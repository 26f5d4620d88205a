package pcapfilter

// Nodes of an expression that is true or not.
type (
	both     struct{ x, y any } // x and y
	either   struct{ x, y any } // x or y
	negation struct{ x any }
	protocol struct {
		*proto
		col int
	}
	relation struct {
		op   string
		x, y any
	}
	primitive struct { // an id and what is said of it
		qualifiers
		id token
		// What follows the id: the number of bits of the network's mask, or its mask; -1 and invalid when left out.
		bits int
		mask token
	}
	keyed struct { // a keyword with its number, or its name, or neither
		word string
		of   *proto
		arg  *token
		col  int
	}
	byteTest struct { // byte OFFSET OP VALUE
		off, val uint32
		op       string
	}
)

// Nodes of an expression that is a number.
type (
	constant  uint32
	length    struct{}
	operation struct {
		op   string
		x, y any
		col  int
	}
	minus struct{ x any }
	index struct { // proto[at:size]
		of   protocol
		at   any
		size int
	}
)

// qualifiers are what is said of an id: "tcp", "src or dst", "port". An id without any has those of the one before.
type qualifiers struct {
	of    *proto
	dir   string // "src", "dst", "src or dst", "src and dst", or nothing, which is either
	kind  string // "host", "net", "port", "portrange", "proto", "protochain", or nothing, which is host
	given bool
}
