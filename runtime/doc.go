// Package runtime runs scenarios: it binds a vocabulary of declared builtins to Starlark, makes every change through a
// journal so that it can be undone, and says what went wrong in words and positions that a person can use.
//
// It owns the run ([Session]), the declaration of builtins ([Change], [Query], [Type]) and the transaction ([Tx]). What
// a change is, and how it is undone, it leaves to package change. It does not know a single builtin: the vocabulary is
// passed in, and a program that embeds this package adds its own to that table.
package runtime
