package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/script"
)

func absolute(name string) string {
	if abs, err := filepath.Abs(name); err == nil && !strings.HasPrefix(name, "<") {
		return abs
	}
	return name
}

func printJSON(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		_, err = fmt.Println(string(text))
	}
	return err
}

func lsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "ls", Short: "List the labs", Args: exactly(0),
		RunE: func(*cobra.Command, []string) error {
			list, err := allLabs()
			if asJSON {
				return errors.Join(printJSON(append([]lab.Lab{}, list...)), err)
			}
			w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "LAB\tSTATE\tNAMESPACES\tCHANGES\tWHERE\tSINCE\tSCRIPT")
			for _, l := range list {
				where := "machine"
				if l.Sandbox {
					where = "sandbox"
				}
				fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\n", script.Printable(l.Name), l.State, len(l.Namespaces),
					len(l.Changes), where, script.Printable(l.Since), script.Printable(l.Script))
			}
			return errors.Join(w.Flush(), err)
		}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

// allLabs lists the labs of the machine, and those in sandboxes. Those that are found are listed whatever keeps others
// from it.
func allLabs() ([]lab.Lab, error) {
	list, err := lab.AllSandboxed()
	if os.Geteuid() != 0 {
		return list, err
	}
	labs, e := recovered(vocabulary(), &events{})
	if e != nil {
		return list, errors.Join(err, e)
	}
	here, e := labs.List()
	return append(here, list...), errors.Join(err, e)
}

func showCommand() *cobra.Command {
	var asJSON, asScript bool
	cmd := &cobra.Command{Use: "show LAB",
		Short: "Show a lab: its namespaces as they are now, and the changes that made it", Args: exactly(1),
		ValidArgsFunction: completeLab, RunE: func(_ *cobra.Command, args []string) error {
			if done, err := elsewhere(args[0]); done {
				return err
			}
			labs, err := recovered(vocabulary(), &events{})
			if err != nil {
				return err
			}
			lab, err := labs.Find(args[0])
			if err != nil {
				return err
			}
			switch {
			case asJSON:
				return printJSON(lab)
			case asScript:
				for _, c := range lab.Changes {
					fmt.Println(script.Printable(c.Command))
				}
				return nil
			}
			return labs.Show(os.Stdout, lab)
		}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	cmd.Flags().BoolVar(&asScript, "commands", false, "the changes, as the iproute2 commands that would do the same")
	return cmd
}

func execCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "exec LAB NS CMD [ARGS...]", Short: "Run a command in a namespace of a lab",
		Args: cobra.ArbitraryArgs, ValidArgsFunction: completeCommand,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 2 && args[2] == "--" {
				args = slices.Delete(args, 2, 3)
			}
			if len(args) < 3 {
				return usageError{fmt.Errorf("usage: %s", cmd.UseLine())}
			}
			if done, err := elsewhere(args[0]); done {
				return err
			}
			labs, err := recovered(vocabulary(), &events{})
			if err != nil {
				return err
			}
			lab, err := labs.Find(args[0])
			if err != nil {
				return err
			}
			return labs.Exec(lab, args[1], args[2:])
		}}
	cmd.Flags().SetInterspersed(false) // what is behind the lab is the command's
	return cmd
}

func recoverCommand() *cobra.Command {
	var forget string
	cmd := &cobra.Command{Use: "recover", Short: "Undo what runs left that died", Args: exactly(0),
		RunE: func(*cobra.Command, []string) error {
			labs := lab.Open(vocabulary().Ops, "")
			err := undoDead(labs, &events{}, true)
			if forget == "" || err != nil && !errors.As(err, new(exitError)) {
				return err
			}
			lab, err := labs.Forget(forget)
			if err == nil {
				what := ", with " + script.Count(len(lab.Changes), "change") + " not undone"
				if lab.Err != nil {
					what = "; what it changed is not known"
				}
				fmt.Fprintf(os.Stderr, "lab %s is forgotten%s\n", lab.Name, what)
			}
			return err
		}}
	cmd.Flags().StringVar(&forget, "forget", "", "give up what is left of the dead lab `LAB` and cannot be undone")
	completes(cmd, "forget", completeLab)
	return cmd
}

func docCommand() *cobra.Command {
	var markdown bool
	cmd := &cobra.Command{Use: "doc [NAME]",
		Short: "Show the reference of a builtin, a module or a file of the standard library, or of all",
		Args:  cobra.MaximumNArgs(1), ValidArgsFunction: completeDoc,
		RunE: func(_ *cobra.Command, args []string) error {
			voc := vocabulary()
			switch {
			case len(args) == 1:
				text := voc.Help(args[0], markdown)
				if text == "" {
					return usageError{fmt.Errorf("nothing is known of %q; `nsscript doc` lists all", args[0])}
				}
				fmt.Print(text)
			case markdown:
				fmt.Print(voc.Reference())
			default:
				for _, e := range voc.Index() {
					fmt.Println(e)
				}
			}
			return nil
		}}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "as Markdown")
	return cmd
}

func versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: exactly(0),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Println("nsscript " + version())
			return err
		}}
}

func version() string {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version + " " + info.GoVersion
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				version += " " + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return version
}
