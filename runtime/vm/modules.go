package vm

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// wanted are the folders of a kernel's modules that networks are made of, below "kernel".
var wanted = []string{"net", "drivers/net", "crypto", "arch/x86/crypto"}

// unwanted are those below them that are for devices and protocols that no namespace can have.
var unwanted = []string{"net/9p", "net/bluetooth", "net/ceph", "net/mac80211", "net/nfc", "net/rds", "net/rxrpc",
	"net/sunrpc", "net/wireless", "drivers/net/arcnet", "drivers/net/ethernet", "drivers/net/fddi",
	"drivers/net/hamradio", "drivers/net/hyperv", "drivers/net/phy", "drivers/net/usb", "drivers/net/vmxnet3",
	"drivers/net/wan", "drivers/net/wireless", "drivers/net/wwan", "drivers/net/xen-netback"}

// forNetworks reports whether a module, as modules.dep names it, is one that networks are made of.
func forNetworks(module string) bool {
	within := func(dir string) bool { return strings.HasPrefix(module, "kernel/"+dir+"/") }
	return slices.ContainsFunc(wanted, within) && !slices.ContainsFunc(unwanted, within)
}

// needed lists the modules that are wanted, and all that they depend on, in the order of their names. dep is the text
// of a modules.dep (modules.dep(5)), which names of each module all that it depends on.
func needed(dep string, want func(module string) bool) (all []string) {
	for line := range strings.Lines(dep) {
		if module, deps, ok := strings.Cut(line, ":"); ok && want(module) {
			all = append(append(all, module), strings.Fields(deps)...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// modprobe is where a machine has it. A kernel looks elsewhere (/sbin/modprobe) until Init has told it: what is built
// in asks for a dozen modules while it boots, none of which is there, and an emulated machine takes a second to find
// out.
const modprobe = "/usr/sbin/modprobe"

// addModules puts a kernel's modules for networks into an initramfs, with modprobe, by which the kernel loads what it
// finds it needs. dir is lib/modules/RELEASE.
func addModules(a *archive, dir string) error {
	dep, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return &Error{Op: "read modules", Err: err,
			Hint: fmt.Sprintf("`depmod -b ROOT %s` makes it, where %s is ROOT/lib/modules/%[1]s", path.Base(dir), dir)}
	}
	program, err := Program("modprobe")
	if err != nil {
		return &Error{Op: "load modules", Err: err, Hint: "apt-get install kmod"}
	}
	if err := a.program(modprobe, program); err != nil {
		return err
	}
	files := needed(string(dep), forNetworks)
	tables, err := filepath.Glob(filepath.Join(dir, "modules.*.bin"))
	if err != nil {
		return err
	}
	for _, t := range append(tables, "modules.softdep") { // what modprobe reads: depmod makes all the files that it can
		files = append(files, filepath.Base(t))
	}
	for _, f := range files {
		if err := a.file(path.Join("/lib/modules", filepath.Base(dir), f), filepath.Join(dir, f)); err != nil {
			return err
		}
	}
	return nil
}
