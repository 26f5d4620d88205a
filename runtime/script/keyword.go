package script

import "slices"

// Statements are the words that a statement can begin with, operators those in an expression.
var (
	Statements = []string{"break", "continue", "def", "elif", "else", "for", "if", "load", "pass", "return"}
	Operators  = []string{"True", "False", "None", "and", "else", "for", "if", "in", "lambda", "not", "or"}
)

func Keyword(word string) bool {
	return slices.Contains(Statements, word) && word != "load" || slices.Contains(Operators, word)
}
