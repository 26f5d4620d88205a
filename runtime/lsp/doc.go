// Package lsp is a language server for scenarios: it tells editors over the Language Server Protocol (version 3.17)
// what check, format and the completion of the REPL know of a text. It runs nothing, needs no privileges, and looks at
// nothing but the texts that are open and the scripts that these load or are loaded by.
package lsp
