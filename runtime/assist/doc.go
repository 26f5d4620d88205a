// Package assist tells who writes a script what can stand somewhere and what it means: completion, explanations and
// signatures, from the declarations alone. It calls nothing and knows no kernel.
package assist
