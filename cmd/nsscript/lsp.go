package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/nsscript/nsscript/runtime/lsp"
)

func lspCommand() *cobra.Command {
	var o lsp.Options
	cmd := &cobra.Command{Use: "lsp", Short: "Tell an editor what it asks about scripts (language server)",
		Long: `lsp speaks the Language Server Protocol on standard input and output: completion, hover, signature help, the
findings of check as diagnostics, go to definition across load(), symbols and the layout of fmt. Editors start it; it runs
no script and needs no privileges.`,
		Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
			o.Vocabulary, o.Version, o.Log = vocabulary(), version(), os.Stderr
			err := lsp.Serve(context.Background(), stdio{os.Stdin, os.Stdout}, o)
			if errors.Is(err, lsp.ErrLeft) {
				return exitError(exitFailed) // as the protocol has it
			}
			return err
		}}
	cmd.Flags().StringVar(&o.Root, "root", "",
		"folder that load() may not leave (default: that of the script which nobody loads)")
	cmd.Flags().Bool("stdio", true, "what editors say; there is no other way")
	return cmd
}

// stdio is standard input and output.
type stdio struct {
	io.Reader
	io.Writer
}

func (stdio) Close() error { return errors.Join(os.Stdin.Close(), os.Stdout.Close()) }
