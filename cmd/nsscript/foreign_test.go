package main

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/nstest"
)

// TestOtherVersion finds the journal of a later nsscript: it is not called damaged, is in nobody's way who does not
// change what it may have changed, and who is refused is told what to do.
func TestOtherVersion(t *testing.T) {
	before := nstest.Dump(t)
	header := `{"version":9,"name":"later","more":1}`
	text := fmt.Sprintf("%08x %s\n", crc32.Checksum([]byte(header), crc32.MakeTable(crc32.Castagnoli)), header)
	dir := filepath.Join(journal.DefaultDir, "later")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(dir+"/journal", []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	const says = "journal /run/nsscript/later/journal has version 9, written by another nsscript: " +
		"this one reads version "
	const hint = "hint: the nsscript that made it can undo it; `nsscript recover --forget later` gives it up"
	expect(t, 0, "later  other version ", "ls")
	if out, code := outcome(t, nsscript("--rm", "-c", `veth(netns("a"), netns("b"))`)); code != 0 ||
		strings.Contains(out, "later") {
		t.Errorf("exit code %d: %s", code, out)
	}
	expect(t, exitMachine, "look whether lab later holds link lo in host: "+says, "--rm", "-c",
		`host.link("lo").set(mtu = 1400)`)
	expect(t, exitMachine, hint, "--rm", "-c", `host.link("lo").set(mtu = 1400)`)
	expect(t, exitMachine, says, "--lab", "later", "-c", "print(1)")
	expect(t, exitMachine, hint, "down", "later")
	expect(t, exitLeftover, hint, "recover")
	expect(t, exitLeftover, "", "recover")
	expect(t, 0, "lab later is forgotten; what it changed is not known", "recover", "--forget", "later")
	expect(t, 0, "", "recover")
	nstest.Same(t, before)
}

// TestForeignRun finds a folder of journals that is another user's, and one that is open to others: root is not told to
// be root.
func TestForeignRun(t *testing.T) {
	nobody(t, nsscript(), 65534) // skips the test where there are no other users
	before := nstest.Dump(t)
	if err := errors.Join(os.Mkdir(journal.DefaultDir, 0o700), os.Chown(journal.DefaultDir, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	says := "open the labs: /run/nsscript belongs to user 65534, not to user 0\n  hint: look at what is in it"
	expect(t, exitMachine, says, "ls")
	expect(t, exitMachine, says, "-c", `netns("a")`)
	if err := errors.Join(os.Chown(journal.DefaultDir, 0, 0), os.Chmod(journal.DefaultDir, 0o755)); err != nil {
		t.Fatal(err)
	}
	expect(t, exitMachine,
		"open the labs: /run/nsscript is open to others (mode 755)\n  hint: chmod 700 /run/nsscript", "ls")
	if err := os.Remove(journal.DefaultDir); err != nil {
		t.Fatal(err)
	}
	nstest.Same(t, before)
}
