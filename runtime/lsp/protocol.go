package lsp

import "encoding/json"

// What follows are the parts of the protocol's messages that the server uses, under the names that the protocol gives
// them.

type position struct {
	Line      int `json:"line"`
	Character int `json:"character"` // in UTF-16 code units
}

type span struct {
	Start position `json:"start"`
	End   position `json:"end"`
}

type location struct {
	URI   string `json:"uri"`
	Range span   `json:"range"`
}

type textEdit struct {
	Range   span   `json:"range"`
	NewText string `json:"newText"`
}

type markup struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

type initializeParams struct {
	RootURI          string `json:"rootUri"`
	WorkspaceFolders []struct {
		URI string `json:"uri"`
	} `json:"workspaceFolders"`
}

type initializeResult struct {
	Capabilities json.RawMessage `json:"capabilities"`
	ServerInfo   struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"serverInfo"`
}

// capabilities: whole texts are sent when they change (1).
const capabilities = `{
	"positionEncoding": "utf-16",
	"textDocumentSync": {"openClose": true, "change": 1},
	"completionProvider": {"triggerCharacters": [".", "\"", "'", "(", "/"]},
	"hoverProvider": true,
	"signatureHelpProvider": {"triggerCharacters": ["(", ","]},
	"definitionProvider": true,
	"documentSymbolProvider": true,
	"documentFormattingProvider": true
}`

type documentParams struct {
	TextDocument struct {
		URI     string `json:"uri"`
		Version int    `json:"version"`
		Text    string `json:"text"`
	} `json:"textDocument"`
	Position       position `json:"position"`
	ContentChanges []struct {
		Range *span  `json:"range"`
		Text  string `json:"text"`
	} `json:"contentChanges"`
}

type diagnostics struct {
	URI         string       `json:"uri"`
	Version     int          `json:"version,omitempty"`
	Diagnostics []diagnostic `json:"diagnostics"`
}

type diagnostic struct {
	Range    span   `json:"range"`
	Severity int    `json:"severity"`
	Code     string `json:"code"`
	Source   string `json:"source"`
	Message  string `json:"message"`
	Tags     []int  `json:"tags,omitempty"`
}

const (
	severityError   = 1
	severityWarning = 2
	tagUnnecessary  = 1
)

type completionItem struct {
	Label         string   `json:"label"`
	Kind          int      `json:"kind"`
	Detail        string   `json:"detail,omitempty"`
	Documentation *markup  `json:"documentation,omitempty"`
	SortText      string   `json:"sortText"`
	TextEdit      textEdit `json:"textEdit"`
}

type hover struct {
	Contents markup `json:"contents"`
	Range    span   `json:"range"`
}

type signatureHelp struct {
	Signatures      []signature `json:"signatures"`
	ActiveSignature int         `json:"activeSignature"`
	ActiveParameter *int        `json:"activeParameter,omitempty"`
}

type signature struct {
	Label         string      `json:"label"`
	Documentation markup      `json:"documentation"`
	Parameters    []parameter `json:"parameters"`
}

type parameter struct {
	Label         [2]int `json:"label"` // where in the signature's
	Documentation markup `json:"documentation"`
}

type documentSymbol struct {
	Name           string `json:"name"`
	Detail         string `json:"detail,omitempty"`
	Kind           int    `json:"kind"`
	Range          span   `json:"range"`
	SelectionRange span   `json:"selectionRange"`
}

// Kinds of symbols and of completions.
const (
	symbolFunction = 12
	symbolVariable = 13
)

var completionKinds = map[string]int{"builtin": 3, "function": 3, "attribute": 5, "parameter": 5, "variable": 6,
	"module": 9, "keyword": 14}

// completionText is the kind of what stands in strings.
const completionText = 12
