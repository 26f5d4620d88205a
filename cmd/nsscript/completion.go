package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nsscript/nsscript/runtime/lab"
)

// completionCommand prints what makes a shell complete nsscript's command lines. The shell asks nsscript itself then.
func completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{Use: "completion " + strings.Join(shells, "|"),
		Short: "Print a shell's completion of nsscript, to be sourced or installed",
		Args:  exactly(1), ValidArgs: shells, RunE: func(cmd *cobra.Command, args []string) error {
			switch root := cmd.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(os.Stdout, true)
			case "zsh":
				return root.GenZshCompletion(os.Stdout)
			case "fish":
				return root.GenFishCompletion(os.Stdout, true)
			}
			return usageError{fmt.Errorf("usage: %s", cmd.UseLine())}
		}}
}

// completes says how a flag's value is completed.
func completes(cmd *cobra.Command, flag string, fn cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, fn); err != nil {
		panic(err) // there is no such flag
	}
}

// completeLabs completes the names of labs. Nothing is undone for it, and what it cannot know it leaves out.
func completeLabs(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	labs, _ := lab.AllSandboxed()
	if os.Geteuid() == 0 {
		here, _ := lab.Open(vocabulary().Ops, "").List()
		labs = append(here, labs...)
	}
	var names []string
	for _, l := range labs {
		names = append(names, cobra.CompletionWithDesc(l.Name, l.State))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeLab completes the name of one lab.
func completeLab(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return completeLabs(cmd, args, word)
}

// completeNS completes a lab and one of its namespaces.
func completeNS(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return completeLab(cmd, args, word)
	}
	if sandboxed, err := lab.Reach(args[0]); err == nil {
		lab, _ := sandboxed.Describe()
		return lab.Namespaces, cobra.ShellCompDirectiveNoFileComp
	}
	if os.Geteuid() != 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	lab, _ := lab.Open(vocabulary().Ops, "").Find(args[0])
	return lab.Namespaces, cobra.ShellCompDirectiveNoFileComp
}

// completeCommand completes a lab, a namespace and a command.
func completeCommand(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 1 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return completeNS(cmd, args, word)
}

// completeScript completes the name of a script, beside the commands; the shell completes folders when nothing fits.
func completeScript(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	scripts, _ := filepath.Glob(word + "*.star") // a word that is no pattern has none
	return scripts, cobra.ShellCompDirectiveDefault
}

// completeDoc completes what the reference knows.
func completeDoc(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	if len(args) == 0 {
		for _, e := range vocabulary().Index() {
			names = append(names, cobra.CompletionWithDesc(e.Name, e.Summary))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
