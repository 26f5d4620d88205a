package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/nsscript/nsscript/runtime/change"
	"github.com/nsscript/nsscript/runtime/lab"
	"github.com/nsscript/nsscript/runtime/script"
)

func psCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "ps LAB", Short: "List the processes that spawn() has started in a lab",
		Long: "Lists the processes that spawn() has started in a lab. PID is the number that the machine has for " +
			"one; '-' where it has ended, or is in a sandbox, which has numbers of its own.",
		Args: exactly(1), ValidArgsFunction: completeLab, RunE: func(_ *cobra.Command, args []string) error {
			if done, err := elsewhere(args[0]); done {
				return err
			}
			l, err := findLab(args[0])
			if err != nil {
				return err
			}
			all, err := l.Processes()
			if asJSON {
				return errors.Join(printJSON(append([]lab.Process{}, all...)), err)
			}
			w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tNAMESPACE\tPID\tSTATE\tSINCE\tCPU\tRSS\tCOMMAND")
			for _, p := range all {
				pid := "-"
				if p.PID > 0 {
					pid = fmt.Sprint(p.PID)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Name, p.NS, pid, p.State,
					p.Since.Local().Format("2006-01-02 15:04:05"), p.CPU.Round(10*time.Millisecond),
					fmt.Sprintf("%.1fMiB", float64(p.RSS)/(1<<20)), script.Printable(p.Command))
			}
			return errors.Join(w.Flush(), err)
		}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

func logsCommand() *cobra.Command {
	var follow bool
	var tail int
	cmd := &cobra.Command{Use: "logs LAB NAME", Short: "Print what a process has printed that spawn() has started",
		Args: exactly(2), ValidArgsFunction: completeLab, RunE: func(_ *cobra.Command, args []string) error {
			if done, err := elsewhere(args[0]); done {
				if follow && errors.Is(err, io.EOF) {
					return nil // the sandbox has ended, and so has the process
				}
				return err
			}
			l, err := findLab(args[0])
			if err != nil {
				return err
			}
			p, err := l.Process(args[1])
			if err != nil {
				return err
			}
			return p.Log(os.Stdout, tail, follow)
		}}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the process has ended")
	cmd.Flags().IntVar(&tail, "tail", -1, "only the last `N` lines")
	return cmd
}

// findLab finds a lab that is on the machine.
func findLab(name string) (lab.Lab, error) {
	labs, err := recovered(vocabulary(), &events{})
	if err != nil {
		return lab.Lab{}, err
	}
	return labs.Find(name)
}

// logs tells what the processes of a run that has failed have printed last, but for those that the error tells of.
func (e *events) logs(target string, failure error) {
	found, err := lab.Open(vocabulary().Ops, "").Find(target)
	var text stringWriter
	if err == nil {
		err = found.ShowLogs(&text, failure)
	}
	if err != nil {
		fmt.Fprintf(&text, "the logs of its processes cannot be read: %v\n", err)
	}
	if text != "" {
		e.say(change.Event{Event: "logs", Text: strings.TrimSuffix(string(text), "\n")})
	}
}
