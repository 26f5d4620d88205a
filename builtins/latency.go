package builtins

import (
	"math"
	"time"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/probe"
)

var latencyDecl = runtime.Query("latency", "struct",
	"Measures how long a message and its echo take between sockets of two namespaces, one after the other, and "+
		"returns count, lost (of udp), min, avg, max, stddev, p50, p90, p99 and p999 (percentiles), all in seconds, "+
		"and histogram: a list of struct, each with most (seconds) and count, of those that took at most as long "+
		"and longer than the one before.",
	&latencyArgs{Proto: "tcp", Count: 1000, Size: 64, Timeout: waitArg(time.Second)})

type latencyArgs struct {
	Client   senderArg       `arg:"client" doc:"namespace that asks; or a link or an address value, which is asked from"`
	Server   endpointArg     `arg:"server" doc:"namespace that echoes; or a link or an address value"`
	_        struct{}        `arg:"*"`
	Proto    throughputProto `arg:"proto?" doc:"tcp, mptcp or udp"`
	Count    limitArg        `arg:"count?" doc:"messages"`
	Size     datagramSize    `arg:"size?" doc:"bytes in each, 16 to 65507"`
	Interval durationArg     `arg:"interval?" doc:"time from one to the next; 0s: each goes when the one before is back"`
	Timeout  waitArg         `arg:"timeout?" doc:"how long to wait for each"`
	Load     loadArg         `arg:"load?" doc:"TCP streams that send from client to server meanwhile, as fast as they go, 0 to 128"`
	Family   familyArg       `arg:"family?" doc:"4 or 6: only addresses of that family; either when left out"`
	socketArgs
}

type loadArg int

func (loadArg) ArgType() string { return "int" }

func (a *loadArg) Unpack(val starlark.Value) (err error) {
	*a, err = number[loadArg](val, 0, 128)
	return err
}

func (a *latencyArgs) Query(v *runtime.View) (starlark.Value, error) {
	p, err := newBetween(v, "measure latency to", a.Client, a.Server, a.Family, a.VRF)
	if err != nil {
		return nil, err
	}
	l := probe.Latency{Proto: string(a.Proto), Count: int(a.Count), Size: int(a.Size),
		Interval: time.Duration(a.Interval), Timeout: time.Duration(a.Timeout), Load: int(a.Load), Options: a.options()}
	var t probe.Times
	ctx := v.Context()
	err = v.Aside(func() (err error) {
		t, err = l.Run(ctx, p.client.Do, p.server.Do, p.dst, p.source)
		return err
	})
	if err == nil && len(t.All) == 0 {
		err = &overdue{"no echo came back"}
	}
	if err != nil {
		return nil, p.fail(v, err, string(a.Proto))
	}
	return latencyStruct(t), nil
}

func latencyStruct(t probe.Times) starlark.Value {
	var sum, squares float64
	for _, took := range t.All {
		sum += took.Seconds()
	}
	avg := sum / float64(len(t.All))
	var histogram []starlark.Value
	most, count := time.Microsecond, 0
	for i, took := range t.All {
		squares += (took.Seconds() - avg) * (took.Seconds() - avg)
		for took > most {
			if count > 0 {
				histogram = append(histogram, bucket(most, count))
			}
			most, count = 2*most, 0
		}
		if count++; i == len(t.All)-1 {
			histogram = append(histogram, bucket(most, count))
		}
	}
	return newStruct("latency", starlark.StringDict{"count": starlark.MakeInt(len(t.All)),
		"lost": starlark.MakeInt(t.Lost), "min": seconds(t.All[0]), "avg": starlark.Float(avg),
		"max": seconds(t.All[len(t.All)-1]), "stddev": starlark.Float(math.Sqrt(squares / float64(len(t.All)))),
		"p50": seconds(t.Percentile(50)), "p90": seconds(t.Percentile(90)), "p99": seconds(t.Percentile(99)),
		"p999": seconds(t.Percentile(99.9)), "histogram": starlark.NewList(histogram)})
}

func bucket(most time.Duration, count int) starlark.Value {
	return newStruct("bucket", starlark.StringDict{"most": seconds(most), "count": starlark.MakeInt(count)})
}
