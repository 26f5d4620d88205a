package change

// An Event is something that a run did.
type Event struct {
	Event   string `json:"event"` // "change", "undo" (of one, by an attempt that failed), "print", "recover"
	Seq     int    `json:"seq,omitempty"`
	Kind    string `json:"kind,omitempty"`
	Command string `json:"command,omitempty"`
	Pos     string `json:"pos,omitempty"`
	Text    string `json:"text,omitempty"`
	// Of a change: what undoing it will not bring back. The script said irreversible=True.
	Lost []string `json:"lost,omitempty"`
}
