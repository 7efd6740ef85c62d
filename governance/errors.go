package governance

import "fmt"

// Code names a class of refusal in the words of CCF's error catalogue.
type Code string

// Refusals. Internal marks what the members' own scripts did wrong, or a state
// that should not be; everything else is the caller's mistake.
const (
	Internal                  Code = "InternalError"
	InvalidInput              Code = "InvalidInput"
	InvalidResourceName       Code = "InvalidResourceName"
	InvalidAuthenticationInfo Code = "InvalidAuthenticationInfo"
	AuthorizationFailed       Code = "AuthorizationFailed"
	ResourceNotFound          Code = "ResourceNotFound"
	ProposalNotFound          Code = "ProposalNotFound"
	ProposalNotOpen           Code = "ProposalNotOpen"
	ProposalFailedToValidate  Code = "ProposalFailedToValidate"
	ProposalReplay            Code = "ProposalReplay"
	ProposalCreatedTooLongAgo Code = "ProposalCreatedTooLongAgo"
	InvalidCreatedAt          Code = "InvalidCreatedAt"
	StateDigestMismatch       Code = "StateDigestMismatch"
	VoteAlreadyExists         Code = "VoteAlreadyExists"
	VoteNotFound              Code = "VoteNotFound"
	NotWaitingForShares       Code = "ServiceNotWaitingForRecoveryShares"
	AlreadyRecovering         Code = "NodeAlreadyRecovering"
)

// Error is a refused request. Its transaction must be dropped, unless Keep is
// set: then what was written so far counts although the answer is an error.
type Error struct {
	Code    Code
	Message string
	Keep    bool
}

func (e *Error) Error() string { return e.Message }

func refuse(code Code, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Identifiers as messages show them.
func member(id string) string { return "m[" + id + "]" }

// shown is an error that members read through the exception of an action. Its
// wording is CCF's: tools and tests compare it.
type shown string

func (s shown) Error() string { return string(s) }

func shownf(format string, args ...any) error { return shown(fmt.Sprintf(format, args...)) }
