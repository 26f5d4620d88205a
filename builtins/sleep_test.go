package builtins

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime"
	"github.com/nsscript/nsscript/runtime/change"
)

// TestSleepInterrupted ends a run that sleeps: it does not sleep on, and attempt does not catch it.
func TestSleepInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	o := runtime.Options{Observe: func(e change.Event) {
		if e.Event == "print" {
			cancel(errors.New("it is told to"))
		}
	}}
	said := runaway(t, ctx, o, `netns("n")
def nap():
    print("asleep")
    sleep("1000h")
attempt(nap)
`)
	// It may be told so before it sleeps.
	if !regexp.MustCompile(`^runaway\.star:[34]:10: interrupted: it is told to\n`).MatchString(said) {
		t.Error(said)
	}
}

func TestSleep(t *testing.T) {
	for call, want := range map[string]string{
		`sleep(1)`:     `sleep: parameter "duration": got int 1, want a duration with its unit`,
		`sleep("1")`:   `"1" is no duration`,
		`sleep("-1s")`: `"-1s" is no duration`,
		`sleep()`:      "sleep: missing argument for duration",
	} {
		if _, err := runScript(t, "x.star", call); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", call, err, want)
		}
	}
	if out, err := runScript(t, "x.star", `print(sleep("1ms"), sleep("2msec"))`); err != nil || out != "None None\n" {
		t.Errorf("%q, %v", out, err)
	}
}
