package main

import (
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// kinds are what is counted; an object's first word is its kind.
var (
	kinds    = []string{"namespace", "link", "address", "sysctl", "process", "file"}
	headings = []string{"namespaces", "links", "addresses", "sysctls", "processes", "files"}
)

// An inventory is all that there is in a sandbox, and a sysctl's value.
type inventory map[string]string

// A change is how one inventory differs from an earlier one.
type change struct {
	Left   []string // what is there now, and sysctls that have another value
	Damage []string // what is not there any more
}

func (before inventory) change(after inventory) (c change) {
	for _, object := range slices.Sorted(maps.Keys(after)) {
		if value, ok := before[object]; ok && value != after[object] || !ok && !strings.HasPrefix(object, "sysctl ") {
			c.Left = append(c.Left, object)
		}
	}
	for _, object := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[object]; !ok && !strings.HasPrefix(object, "sysctl ") { // they go and come with links
			c.Damage = append(c.Damage, object)
		}
	}
	return c
}

// take makes the inventory of the sandbox. What goes away meanwhile is not in it.
func take() inventory {
	all := inventory{}
	known := map[string]bool{netns("self"): true}
	names, _ := os.ReadDir("/run/netns")
	for _, n := range names {
		all["namespace "+n.Name()] = ""
		if st, err := os.Stat("/run/netns/" + n.Name()); err == nil {
			known[fmt.Sprintf("net:[%d]", inode(st))] = true
		}
	}
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		pid := filepath.Base(p)
		stat, err := os.ReadFile(p + "/stat")
		_, state, _ := strings.Cut(string(stat), ") ")
		if err != nil || pid == "1" || strings.HasPrefix(state, "Z") {
			continue
		}
		all["process "+pid] = ""
		if ns := netns(pid); ns != "" && !known[ns] { // one without a name
			known[ns] = true
			all["namespace of process "+pid] = ""
		}
	}
	links, _ := net.Interfaces()
	for _, l := range links {
		all["link "+l.Name] = ""
		addrs, _ := l.Addrs()
		for _, a := range addrs {
			if !strings.HasPrefix(a.String(), "fe80:") { // which come and go with the link
				all["address "+a.String()+" "+l.Name] = ""
			}
		}
	}
	for _, pattern := range []string{"ipv4/*", "ipv[46]/conf/*/*"} {
		files, _ := filepath.Glob("/proc/sys/net/" + pattern)
		for _, f := range files {
			// These follow ip_forward, and are counted as one with it.
			if name := filepath.Base(f); name == "forwarding" || name == "accept_redirects" {
				continue
			}
			if v, err := os.ReadFile(f); err == nil {
				all["sysctl "+f] = string(v)
			}
		}
	}
	for _, dir := range []string{"/run", "/tmp"} {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && path == "/run/netns" {
				return fs.SkipDir
			}
			if err == nil && !d.IsDir() {
				all["file "+path] = ""
			}
			return nil
		})
	}
	return all
}

// netns is the network namespace that a process is in.
func netns(pid string) string {
	to, _ := os.Readlink("/proc/" + pid + "/ns/net")
	return to
}
