// Package jsondoc reads and writes the JSON of tables, tokens and answers, byte
// for byte as the two writers of a CCF-compatible service do.
//
// Native code writes objects compactly with their keys in byte order; the
// constitution writes them in the order its JavaScript built them. Text is UTF-8
// as it is: nothing but control characters, quotes and backslashes is escaped,
// so Go's own encoder, which escapes more, cannot be used alone.
//
// The package is pure.
package jsondoc

import "sort"

// MaxDepth bounds the nesting of a document, so that hostile input cannot
// exhaust the stack.
const MaxDepth = 512

// Kind is the type of a Value.
type Kind uint8

// The kinds of JSON values. The zero Value is null.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// String is the name of the kind, as messages show it.
func (k Kind) String() string {
	return [...]string{"null", "boolean", "number", "string", "array", "object"}[k]
}

// Member is one member of an object.
type Member struct {
	Name  string
	Value Value
}

// Value is one JSON value. Objects keep the order of their members; of several
// members with one name the last value counts, in the place of the first.
type Value struct {
	kind    Kind
	truth   bool
	text    string // content of a string, literal of a number
	items   []Value
	members []Member
}

// Text returns a string value.
func Text(s string) Value { return Value{kind: String, text: s} }

// Truth returns a boolean value.
func Truth(b bool) Value { return Value{kind: Bool, truth: b} }

// List returns an array value.
func List(items ...Value) Value { return Value{kind: Array, items: items} }

// Fields returns an object value.
func Fields(members ...Member) Value { return Value{kind: Object, members: members} }

// Kind is the type of v.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v.kind == Null }

// Str is the content of a string.
func (v Value) Str() (string, bool) { return v.text, v.kind == String }

// Items are the elements of an array.
func (v Value) Items() []Value { return v.items }

// Members are the members of an object, in order.
func (v Value) Members() []Member { return v.members }

// Literal is the text of a number, as it was read.
func (v Value) Literal() (string, bool) { return v.text, v.kind == Number }

// Get returns the member of an object, or null.
func (v Value) Get(name string) Value {
	member, _ := v.Lookup(name)
	return member
}

// Lookup returns the member of an object; unlike Get it tells an absent member
// from one that is null.
func (v Value) Lookup(name string) (Value, bool) {
	for i := range v.members {
		if v.members[i].Name == name {
			return v.members[i].Value, true
		}
	}
	return Value{}, false
}

// Canonical returns v as the native writer has it: the members of every object
// in byte order of their names, numbers in their one form.
func (v Value) Canonical() Value {
	switch v.kind {
	case Number:
		v.text, _ = canonicalNumber(v.text)
	case Array:
		items := make([]Value, len(v.items))
		for i := range v.items {
			items[i] = v.items[i].Canonical()
		}
		v.items = items
	case Object:
		members := make([]Member, len(v.members))
		for i, m := range v.members {
			members[i] = Member{Name: m.Name, Value: m.Value.Canonical()}
		}
		sort.Slice(members, func(i, j int) bool { return members[i].Name < members[j].Name })
		v.members = members
	}
	return v
}
