package vm

import (
	"os"
	"path/filepath"
	"strings"
)

// An answer is whether KVM works here. That a machine can be made with it does not say that it ever runs.
type answer string

const (
	unknown answer = ""
	yes     answer = "yes"
	no      answer = "no"
)

// hardwareWorks is what is known of KVM since this machine was booted.
func hardwareWorks() answer {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return no
	}
	f.Close()
	name, err := noted()
	if err != nil {
		return unknown
	}
	text, err := os.ReadFile(name)
	if boot, a, ok := strings.Cut(string(text), " "); err == nil && ok && boot == bootID() {
		return answer(strings.TrimSpace(a))
	}
	return unknown
}

// remember writes down what a machine has shown. Where that cannot be written, the next one shows it again.
func remember(a answer) {
	if name, err := noted(); err == nil {
		_ = os.WriteFile(name, []byte(bootID()+" "+string(a)+"\n"), 0o644)
	}
}

func noted() (string, error) {
	dir, err := cache()
	return filepath.Join(dir, "kvm"), err
}

func bootID() string {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // without it nothing is remembered for long
	return strings.TrimSpace(string(text))
}

// Available says what machines run by, or why there can be none.
func Available() (says string, err error) {
	if _, err := Program("qemu-system-x86_64"); err != nil {
		return "", err
	}
	if hardwareWorks() == no {
		return "emulated by qemu, as KVM does not work here", nil
	}
	return "qemu with KVM", nil
}
