package script_test

import (
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/nsscript/nsscript/runtime/script"
)

// evaluated is the value of an expression as a script has it.
func evaluated(t *testing.T, expr string) (starlark.Value, error) {
	t.Helper()
	f, err := script.ParseFile("x.star", []byte("x = "+expr+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := starlark.FileProgram(script.Limit(f), func(n string) bool { return script.Limits.Has(n) })
	if err != nil {
		t.Fatal(err)
	}
	globals, err := p.Init(&starlark.Thread{}, script.Limits)
	return globals["x"], err
}

// TestInterpolate compares texts that values are put into with what Python 3 makes of the same expressions.
func TestInterpolate(t *testing.T) {
	for expr, want := range map[string]string{
		`"%5.2f" % 3.14159`:          " 3.14",
		`"%.2f%%" % 12.345`:          "12.35%",
		`"%.0f" % 2.5`:               "2",
		`"%.f" % 2.7`:                "3",
		`"%08.3f" % -2.5`:            "-002.500",
		`"%+.1f" % -0.04`:            "-0.0",
		`"%.1f" % 3`:                 "3.0",
		`"%.2f" % (1 << 70)`:         "1180591620717411303424.00",
		`"%.1F" % 1.5`:               "1.5",
		`"%e" % 12345.678`:           "1.234568e+04",
		`"%.2e" % 12345.678`:         "1.23e+04",
		`"%.1E" % 1.5`:               "1.5E+00",
		`"%.3g" % 100000`:            "1e+05",
		`"%.6g" % 100`:               "100",
		`"%10.3g|" % 1.234e-5`:       "  1.23e-05|",
		`"%+d" % 5`:                  "+5",
		`"%+d" % 0`:                  "+0",
		`"% d" % 5`:                  " 5",
		`"%05d" % -42`:               "-0042",
		`"%-05d|" % 3`:               "3    |",
		`"%.3d" % 7`:                 "007",
		`"%5.3d" % -7`:               " -007",
		`"%5d" % 2.9`:                "    2",
		`"%x %X" % (255, 255)`:       "ff FF",
		`"%#x" % 255`:                "0xff",
		`"%#010x" % 255`:             "0x000000ff",
		`"%#o" % 8`:                  "0o10",
		`"%-8s|" % "ab"`:             "ab      |",
		`"%8s|" % "ab"`:              "      ab|",
		`"%.3s" % "abcdef"`:          "abc",
		`"%6.2s|" % "abc"`:           "    ab|",
		`"%05s" % "ab"`:              "   ab",
		`"%5s" % "é"`:                "    é",
		`"%.1s" % "éa"`:              "é",
		`"%5r" % 1`:                  "    1",
		`"%3c|" % "x"`:               "  x|",
		`"%*d" % (5, 42)`:            "   42",
		`"%-*d|" % (5, 42)`:          "42   |",
		`"%*d|" % (-5, 42)`:          "42   |",
		`"%.*f" % (2, 1.005)`:        "1.00",
		`"%6.1f|%6.1f" % (1, 22.25)`: "   1.0|  22.2",
		`"%(a)5.1f %(b)-3s|" % {"a": 1.25, "b": "x"}`: "  1.2 x  |",
		`"%s" % ((1, 2),)`:                            "(1, 2)",
		// And what the language does itself.
		`"%s %r %d" % ("a", "b", 3)`: `a "b" 3`,
		`"%g" % 0.1`:                 "0.1",
		`"100%%" % ()`:               "100%",
		`"%s" % {"a": 1}`:            `{"a": 1}`,
		`"a" % {}`:                   "a",
		`str(-7 % 3)`:                "2",
		`str(7.5 % 2)`:               "1.5",
		`"%06.1f|" % float("inf")`:   "  +inf|",
	} {
		if got, err := evaluated(t, expr); err != nil || got != starlark.String(want) {
			t.Errorf("%s = %v, %v, want %q", expr, got, err, want)
		}
	}
}

func TestInterpolateErrors(t *testing.T) {
	for expr, want := range map[string]string{
		`"%d %d" % 1`:            "not enough arguments for format string: it has more than 1 conversion",
		`"%d" % (1, 2)`:          "too many arguments for format string: it has 1 conversion, and there are 2",
		`"%.2f" % "a"`:           "%f format requires float, not string",
		`"%5d" % "a"`:            "%d format requires integer",
		`"%5y" % 1`:              "unknown conversion %y",
		`"%5" % 1`:               "incomplete format",
		`"%(a" % {}`:             "incomplete format key",
		`"%(a)s" % 1`:            "format requires a mapping",
		`"%(a)5s" % {}`:          "key not found: a",
		`"%*d" % ("a", 1)`:       "* wants int, not string",
		`"%20000d" % 1`:          "a width of 20000 is too much, at most 10000 fit",
		`"%.99999999999f" % 1.5`: "is too much, at most 10000 fit",
		`"{:.2f}".format(1.5)`:   `format: {:.2f}: a field has no format here, but "%.2f" % x has`,
		`"{0!r:>8}".format(1.5)`: `format: {0!r:>8}: a field has no format here`,

		`"%#f" % 1.5`: "# goes with %o, %x and %X, not with %f",
		`1 % "a"`:     "unknown binary op: int % string",
		`1 % 0`:       "integer modulo by zero",
	} {
		if got, err := evaluated(t, expr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s = %v, %v, want %q", expr, got, err, want)
		}
	}
}
