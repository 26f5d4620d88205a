// Package pcapfilter compiles the language of pcap-filter(7), which tcpdump takes, to classic BPF, and runs what it has
// compiled on frames in memory.
//
// It owns the words, the grammar and the code. It knows neither sockets nor files: a caller gives the program to the
// kernel, or asks it of one frame at a time. The link layer is Ethernet's. What needs another one (802.11, ATM, SS7,
// pf's log) and what needs a name looked up is refused, with the column of the word.
//
// Programs select what tcpdump's select, with these exceptions, in which they do what the manual page says:
//
//   - What an index needs of a packet holds on both sides of an operator: 1 + tcp[13] = 3 is true of TCP alone.
//   - Headers that follow an authentication header are found by protochain; of a chain of more than 8 the rest is not.
//   - Where geneve or vxlan is not true of a packet, what follows is about the packet itself: geneve 5 or tcp.
//   - vxlan is a keyword, as it is from libpcap 1.11 on.
//   - byte OFFSET & VALUE and byte OFFSET | VALUE look at the byte.
package pcapfilter
