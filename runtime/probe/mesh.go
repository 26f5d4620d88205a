package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Mesh is echo requests from many namespaces at once, over one socket of each and family. Every pair gets one, and
// another one when that was lost: what waits in queues of the machine, not of the network, is dropped without a word.
type Mesh struct {
	Hosts   []func(func() error) error // each runs a function inside the namespace
	Pairs   []Pair                     // in the order in which they are asked
	Timeout time.Duration              // of each request
	Size    int                        // payload bytes
	Aside   func(probe func() error) error
	Table   Neighbours
}

// A Pair is a host, by its number, and an address that it is to reach.
type Pair struct {
	From int
	Dst  netip.Addr
}

// Neighbours is the machine's table of neighbours, which all namespaces share: it is full with 1,024 of a family.
type Neighbours interface {
	// Room is how many more there can be, and how often there was none.
	Room(v6 bool) (left, refused int, err error)
	// Forget frees what a host has learned since the probe began. Of one that waits for answers it leaves what is not
	// resolved yet.
	Forget(host int, waits bool) error
}

// An Outcome is what became of a pair: a reply, or why there is none.
type Outcome struct {
	Reply  *Reply
	Failed *Failure
}

const (
	meshYoung = 5 * time.Millisecond // what is not answered after that does not hold up others
	meshOpen  = 1024                 // requests that wait
	meshFlood = 800                  // broadcasts that the machine's queue has room for
	meshTries = 8                    // of a request that found the table full
	meshLook  = 64                   // requests after which the table is looked at
)

// Run asks all pairs. The outcomes are in their order. An error says why not all of them have one.
func (m Mesh) Run(ctx context.Context) ([]Outcome, error) {
	r := &meshRun{Mesh: m, outcomes: make([]Outcome, len(m.Pairs)), tries: make([]int, len(m.Pairs)),
		socks: map[meshKey]*meshSock{}, touched: map[int]bool{}, byFD: map[int32]*meshSock{}}
	defer r.close()
	if err := r.open(); err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { r.file.SetReadDeadline(time.Unix(1, 0)) })()
	err := m.Aside(func() error { return r.loop(ctx) })
	return r.outcomes, err
}

type meshKey struct {
	host int
	v6   bool
}

// A meshSock is the socket of a host.
type meshSock struct {
	flights
	*socket
	fd    int
	pairs []int // of its requests
}

// A meshRun is a Mesh under way.
type meshRun struct {
	Mesh
	file     *os.File // the epoll(7) that has all sockets
	raw      syscall.RawConn
	socks    map[meshKey]*meshSock
	byFD     map[int32]*meshSock
	outcomes []Outcome
	tries    []int
	next     int       // pair that is asked next
	again    []retry   // in the order of their times
	line     []sentOne // requests in the order of sending
	first    int       // in line, that may be open
	young    int       // in line, the first that is
	waiting  int
	sent     int
	touched  map[int]bool // hosts that may have learned something
	refused  [2]int       // how often the table was full when that was last looked at, of IPv4 and IPv6
}

type retry struct {
	pair int
	at   time.Time
}

type sentOne struct {
	sock *meshSock
	seq  int
	at   time.Time
}

func (r *meshRun) open() error {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("wait for sockets: %w", err)
	}
	err = unix.SetNonblock(epoll, true)
	r.file = os.NewFile(uintptr(epoll), "epoll")
	if err == nil {
		r.raw, err = r.file.SyscallConn()
	}
	if err != nil {
		return fmt.Errorf("wait for sockets: %w", err)
	}
	var families [2]bool
	for _, p := range r.Pairs {
		key := meshKey{p.From, p.Dst.Is6()}
		if r.socks[key] != nil {
			continue
		}
		ping, err := Ping{Dst: p.Dst, Size: &r.Size, Timeout: r.Timeout}.complete()
		if err != nil {
			return err
		}
		fd, err := openICMP(r.Hosts[p.From], ping)
		if err != nil {
			return err
		}
		s := &meshSock{fd: fd, socket: newSocket(ping),
			flights: flights{ident: newIdent(), v6: key.v6, size: r.Size, timeout: r.Timeout}}
		r.socks[key], r.byFD[int32(fd)] = s, s
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
			return fmt.Errorf("wait for sockets: %w", err)
		}
		families[map[bool]int{true: 1}[key.v6]] = true
	}
	for i, has := range families {
		if has && err == nil {
			_, r.refused[i], err = r.Table.Room(i == 1)
		}
	}
	return err
}

func (r *meshRun) close() {
	for _, s := range r.socks {
		unix.Close(s.fd)
	}
	if r.file != nil {
		r.file.Close()
	}
}

func (r *meshRun) loop(ctx context.Context) error {
	for {
		now := time.Now()
		if r.waiting > 0 {
			if err := r.raw.Control(func(fd uintptr) { r.drain(int(fd)) }); err != nil {
				return err
			}
		}
		if err := errors.Join(r.expire(now), ctx.Err()); err != nil {
			return err
		}
		asked, err := r.ask(now)
		if err != nil {
			return err
		}
		if asked {
			continue
		}
		if r.waiting == 0 && len(r.again) == 0 && r.next == len(r.Pairs) {
			return r.forget()
		}
		if err := r.wait(ctx); err != nil {
			return err
		}
	}
}

// ask asks the next pair, unless so many are asked that those that ask for neighbours would fill the machine's queues.
func (r *meshRun) ask(now time.Time) (bool, error) {
	for ; r.young < len(r.line) && (now.Sub(r.line[r.young].at) > meshYoung || !r.line[r.young].open()); r.young++ {
	}
	fresh := 0
	for _, one := range r.line[r.young:] {
		if one.open() {
			fresh++
		}
	}
	pair := r.next
	switch due := len(r.again) > 0 && !now.Before(r.again[0].at); {
	case fresh >= max(2, meshFlood/max(len(r.Hosts), 1)) || r.waiting >= meshOpen:
		return false, nil
	case due:
		pair, r.again = r.again[0].pair, r.again[1:]
	case r.next < len(r.Pairs):
		r.next++
	default:
		return false, nil
	}
	if r.sent++; r.sent%meshLook == 0 {
		if err := r.makeRoom(r.Pairs[pair].Dst.Is6()); err != nil {
			return false, err
		}
	}
	return true, r.request(pair)
}

func (o sentOne) open() bool { return o.sock.isOpen(o.seq) }

func (r *meshRun) request(pair int) error {
	p := r.Pairs[pair]
	s := r.socks[meshKey{p.From, p.Dst.Is6()}]
	to, err := sockaddr(s.fd, p.Dst)
	if err != nil {
		return err
	}
	if len(s.all) == 1<<16-1 {
		return fmt.Errorf("more than %d requests of one host: %w", len(s.all), unix.E2BIG)
	}
	r.touched[p.From] = true
	r.tries[pair]++
	s.pairs = append(s.pairs, pair)
	seq, err := s.flights.send(p.Dst, func(packet []byte) (time.Time, error) {
		at := time.Now()
		return at, unix.Sendto(s.fd, packet, 0, to)
	})
	if err != nil {
		return r.failed(s, localFailure(seq, err))
	}
	r.waiting++
	r.line = append(r.line, sentOne{s, seq, s.all[seq-1].sent})
	// On one machine the reply is mostly there by now. Whatever else is, is found in time.
	if m, err := s.read(s.fd, 0); err == nil {
		r.take(s, m)
	}
	return nil
}

// drain takes what sockets hold and reports whether that was anything.
func (r *meshRun) drain(epoll int) bool {
	var events [64]unix.EpollEvent
	n, _ := unix.EpollWait(epoll, events[:], 0)
	for _, e := range events[:max(n, 0)] {
		s := r.byFD[e.Fd]
		s.drain(s.fd, func(m message) { r.take(s, m) })
	}
	return n > 0
}

func (r *meshRun) take(s *meshSock, m message) {
	reply, failure := s.take(m)
	switch {
	case reply != nil:
		r.waiting--
		r.outcomes[s.pairs[reply.Seq-1]] = Outcome{Reply: reply}
	case failure != nil:
		r.waiting--
		r.outcomes[s.pairs[failure.Seq-1]] = Outcome{Failed: failure}
	}
}

// expire takes requests as lost whose time is over.
func (r *meshRun) expire(now time.Time) error {
	for ; r.first < len(r.line); r.first++ {
		one := r.line[r.first]
		if !one.open() {
			continue
		}
		if now.Before(one.at.Add(r.Timeout)) {
			return nil
		}
		for _, f := range one.sock.expire(now) {
			r.waiting--
			if err := r.failed(one.sock, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// failed has a pair asked again when its request was lost for want of room, or for the first time.
func (r *meshRun) failed(s *meshSock, f Failure) error {
	pair := s.pairs[f.Seq-1]
	r.outcomes[pair] = Outcome{Failed: &f}
	full := errors.Is(f.Err, unix.ENOBUFS)
	if !full && f.Name != "timeout" {
		return nil
	}
	tries, i := r.tries[pair], map[bool]int{true: 1}[s.v6]
	_, refused, err := r.Table.Room(s.v6)
	if err != nil {
		return err
	}
	if refused > r.refused[i] {
		r.refused[i], full = refused, true
	}
	switch {
	case full && tries < meshTries:
		// What others have is freed when it is 5 s old.
		r.again = append(r.again, retry{pair, time.Now().Add(25 * time.Millisecond << tries)})
		return r.makeRoom(s.v6)
	case tries < 2:
		r.again = append(r.again, retry{pair, time.Now()})
	}
	return nil
}

// makeRoom frees what was learned when the table is half full.
func (r *meshRun) makeRoom(v6 bool) error {
	left, _, err := r.Table.Room(v6)
	if err != nil || left > 512 {
		return err
	}
	return r.forget()
}

// forget frees what hosts have learned.
func (r *meshRun) forget() error {
	for host := range r.touched {
		waits := false
		for _, v6 := range []bool{false, true} {
			s := r.socks[meshKey{host, v6}]
			waits = waits || s != nil && s.flights.open > 0
		}
		if err := r.Table.Forget(host, waits); err != nil {
			return err
		}
		if !waits {
			delete(r.touched, host)
		}
	}
	return nil
}

// wait waits until a socket holds something, or something else is due.
func (r *meshRun) wait(ctx context.Context) error {
	until := time.Now().Add(time.Hour)
	sooner := func(t time.Time) {
		if t.Before(until) {
			until = t
		}
	}
	if r.first < len(r.line) {
		sooner(r.line[r.first].at.Add(r.Timeout))
	}
	if r.young < len(r.line) && (r.next < len(r.Pairs) || len(r.again) > 0) {
		sooner(r.line[r.young].at.Add(meshYoung))
	}
	if len(r.again) > 0 {
		sooner(r.again[0].at)
	}
	if err := r.file.SetReadDeadline(until); err != nil {
		return fmt.Errorf("wait for sockets: %w", err)
	}
	if err := ctx.Err(); err != nil { // see socket.wait
		return err
	}
	err := r.raw.Read(func(fd uintptr) bool { return r.drain(int(fd)) })
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return fmt.Errorf("wait for sockets: %w", err)
}
