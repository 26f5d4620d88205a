package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/nsscript/nsscript/runtime/journal"
	"github.com/nsscript/nsscript/runtime/lab"
)

func downCommand() *cobra.Command {
	var o options
	var all bool
	cmd := &cobra.Command{Use: "down LAB... | --all", Short: "Take labs down: undo all that they changed",
		ValidArgsFunction: completeLabs, RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usageError{fmt.Errorf("usage: %s", cmd.UseLine())}
			}
			e := &events{o: o}
			if all {
				return downAll(e)
			}
			return each(args, func(name string) error { return takeDown(e, name) })
		}}
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "say nothing but errors")
	cmd.Flags().BoolVar(&all, "all", false, "all labs that `nsscript ls` lists")
	return cmd
}

// each does something about each of several labs, and says at once what went wrong with one of them. The exit code is
// that of the first that it went wrong with.
func each(names []string, do func(name string) error) error {
	if len(names) == 1 {
		return do(names[0])
	}
	code := 0
	for _, name := range names {
		if c := report(do(name)); code == 0 {
			code = c
		}
	}
	if code != 0 {
		return exitError(code)
	}
	return nil
}

// downAll takes down the labs in sandboxes and those of the machine.
func downAll(e *events) error {
	list, err := allLabs()
	var names []string
	for _, l := range list { // a name that a lab of the machine shares with one in a sandbox is there twice
		names = append(names, l.Name)
	}
	if len(names) == 0 {
		return err
	}
	return errors.Join(each(names, func(name string) error { return takeDown(e, name) }), err)
}

// takeDown takes a lab down.
func takeDown(e *events, name string) error {
	if sandboxed, err := lab.Reach(name); err == nil {
		u, err := sandboxed.Down()
		if err != nil {
			return err
		}
		return reportUndoing(e, "lab "+name+": ", u, nil)
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	lacking := lab.Open(vocabulary().Ops, "").Exists(name)
	labs, err := recovered(vocabulary(), e)
	if err != nil {
		return err
	}
	if err := labs.Exists(name); err != nil && lacking == nil {
		return nil // its run had died, and so it has just been taken down
	}
	u, err := labs.Down(name)
	if errors.Is(err, journal.ErrLive) {
		return fmt.Errorf("take down lab %s: %w", name, err)
	}
	if err != nil && u.Undone == 0 && len(u.Left) == 0 {
		return err
	}
	return reportUndoing(e, "lab "+name+": ", u, err)
}
