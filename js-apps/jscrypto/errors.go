package jscrypto

import "fmt"

// Kind is the JavaScript error class an Error asks for.
type Kind uint8

// The classes that CCF's crypto functions throw.
const (
	TypeError Kind = iota + 1
	RangeError
	InternalError
	// HostError marks failures that CCF raises as a C++ exception instead of a
	// JavaScript one: the script cannot catch them and the request ends with
	// 500 InternalError and Message as its text (corrections F64).
	HostError
)

// String is the class name as JavaScript prints it.
func (k Kind) String() string {
	switch k {
	case TypeError:
		return "TypeError"
	case RangeError:
		return "RangeError"
	case HostError:
		return "HostError"
	default:
		return "InternalError"
	}
}

// Error is the only error type of this package: a class and the exact text.
type Error struct {
	Kind    Kind
	Message string
}

// Error prints the class and the text as an engine does.
func (e *Error) Error() string { return e.Kind.String() + ": " + e.Message }

func rangeErrorf(format string, args ...any) error {
	return &Error{Kind: RangeError, Message: fmt.Sprintf(format, args...)}
}

func internalErrorf(format string, args ...any) error {
	return &Error{Kind: InternalError, Message: fmt.Sprintf(format, args...)}
}

func hostErrorf(format string, args ...any) error {
	return &Error{Kind: HostError, Message: fmt.Sprintf(format, args...)}
}
