package builtins

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/script"
)

var assertNear = runtime.Query("assert.near", "None",
	"Fails unless two numbers or times are no further apart than a tolerance: assert.near(r.avg, \"20ms\", \"10%\").",
	&nearArgs{})

type nearArgs struct {
	A         quantityArg  `arg:"a" doc:"one value; a number is seconds where it is compared with a time"`
	B         quantityArg  `arg:"b" doc:"the other"`
	Tolerance toleranceArg `arg:"tolerance" doc:"how far they may be apart; \"10%\" is of b"`
	saying
}

func (a *nearArgs) Query(*runtime.View) (starlark.Value, error) {
	apart, near := wholeDistance(a.A.val, a.B.val, a.Tolerance)
	if apart == nil {
		x, y := float(a.A.val), float(a.B.val)
		most := float(a.Tolerance.val)
		if a.Tolerance.percent {
			most *= math.Abs(y) / 100
		}
		// What is 0.1 apart for people is a little more or less for a computer.
		rounding := max(math.Abs(x), math.Abs(y)) * 0x1p-50
		away := math.Abs(x - y)
		near = x == y || away <= most+rounding && !math.IsInf(away, 0)
		apart = starlark.Float(away)
	}
	if near {
		return starlark.None, nil
	}
	away := apart.String()
	if f, ok := apart.(starlark.Float); ok {
		away = strconv.FormatFloat(float64(f), 'g', 6, 64)
	}
	if f := float(apart); (a.A.time || a.B.time) && f < math.MaxInt64/1e9 {
		away = time.Duration(math.Round(f * 1e9)).String()
	}
	return nil, a.failed("want a within %s of b, and they are %s apart\n  a: %s\n  b: %s", a.Tolerance.text, away,
		a.A.text, a.B.text)
}

// wholeDistance is how far two ints are apart, and whether that is within a tolerance which is an int, too; else it is
// nil.
func wholeDistance(a, b starlark.Value, tolerance toleranceArg) (starlark.Value, bool) {
	x, ok := a.(starlark.Int)
	y, both := b.(starlark.Int)
	most, all := tolerance.val.(starlark.Int)
	if !ok || !both || !all || tolerance.percent {
		return nil, false
	}
	d := new(big.Int).Sub(x.BigInt(), y.BigInt())
	d.Abs(d)
	return starlark.MakeBigInt(d), d.Cmp(most.BigInt()) <= 0
}

// float is an int or a float as a float.
func float(v starlark.Value) float64 {
	f, _ := starlark.AsFloat(v)
	return f
}

// quantityArg is a number, or a time, which is one of seconds.
type quantityArg struct {
	val  starlark.Value // an int or a float
	time bool
	text string // as it was given
}

func (quantityArg) ArgType() string { return "number or duration" }

func (a *quantityArg) Unpack(val starlark.Value) error {
	a.text = shorten(script.Show(val), 80)
	switch v := val.(type) {
	case starlark.Int, starlark.Float:
		a.val = val
		return nil
	case startime.Duration:
		a.val, a.time = seconds(time.Duration(v)), true
		return nil
	case starlark.String:
		var d durationArg
		if err := d.Unpack(v); err != nil {
			return err
		}
		a.val, a.time = seconds(time.Duration(d)), true
		return nil
	}
	return want(`number, or duration such as "10ms"`, val)
}

// toleranceArg is a quantity of at least zero, or a part of another.
type toleranceArg struct {
	quantityArg
	percent bool
}

func (toleranceArg) ArgType() string { return "number, duration or percentage" }

func (a *toleranceArg) Unpack(val starlark.Value) error {
	if s, ok := starlark.AsString(val); ok {
		if number, ok := strings.CutSuffix(s, "%"); ok {
			p, err := strconv.ParseFloat(number, 64)
			if err != nil || p < 0 || math.IsInf(p, 0) || math.IsNaN(p) {
				return fmt.Errorf(`%q is no percentage such as "10%%"`, s)
			}
			a.val, a.percent, a.text = starlark.Float(p), true, s
			return nil
		}
	}
	if err := a.quantityArg.Unpack(val); err != nil {
		return err
	}
	if s, ok := starlark.AsString(val); ok {
		a.text = s
	}
	if less, err := starlark.Compare(syntax.LT, a.val, starlark.MakeInt(0)); err != nil || less {
		return fmt.Errorf("a tolerance is not less than 0: got %s", a.text)
	}
	return nil
}
