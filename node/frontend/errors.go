package frontend

import (
	"errors"
	"fmt"

	"concordat/node/httpd"
)

// Error is an answer that is not a success: the OData body of CCF. Handlers return it; anything else they return becomes a 500 InternalError with
// the error's text.
type Error struct {
	Status  int
	Code    string
	Message string
	Details []any
	Header  []httpd.Field // beside content-type
	Close   bool
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

func asError(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// Errorf makes an Error.
func Errorf(status int, code, format string, args ...any) *Error {
	msg := format
	if len(args) > 0 {
		msg = fmt.Sprintf(format, args...)
	}
	return &Error{Status: status, Code: code, Message: msg}
}

// Detail is an entry of an error's details list.
type Detail struct {
	AuthPolicy string `json:"auth_policy,omitempty"`
	Code       string `json:"code"`
	Message    string `json:"message"`
	Trace      string `json:"trace,omitempty"`
}

// Codes of CCF's error catalogue; clients match on them.
const (
	CodeAuthorizationFailed               = "AuthorizationFailed"
	CodeInternalError                     = "InternalError"
	CodeNotImplemented                    = "NotImplemented"
	CodeInvalidAuthenticationInfo         = "InvalidAuthenticationInfo"
	CodeInvalidHeaderValue                = "InvalidHeaderValue"
	CodeInvalidInput                      = "InvalidInput"
	CodeInvalidQueryParameterValue        = "InvalidQueryParameterValue"
	CodeInvalidResourceName               = "InvalidResourceName"
	CodeMissingRequiredHeader             = "MissingRequiredHeader"
	CodeResourceNotFound                  = "ResourceNotFound"
	CodeUnsupportedHTTPVerb               = "UnsupportedHttpVerb"
	CodeUnsupportedContentType            = "UnsupportedContentType"
	CodeRequestBodyTooLarge               = "RequestBodyTooLarge"
	CodeRequestHeaderTooLarge             = "RequestHeaderTooLarge"
	CodePreconditionFailed                = "PreconditionFailed"
	CodeSessionCapExhausted               = "SessionCapExhausted"
	CodeFrontendNotOpen                   = "FrontendNotOpen"
	CodeNodeAlreadyRecovering             = "NodeAlreadyRecovering"
	CodeServiceNotWaitingForShares        = "ServiceNotWaitingForRecoveryShares"
	CodeProposalNotOpen                   = "ProposalNotOpen"
	CodeProposalFailedToValidate          = "ProposalFailedToValidate"
	CodeProposalReplay                    = "ProposalReplay"
	CodeProposalCreatedTooLongAgo         = "ProposalCreatedTooLongAgo"
	CodeInvalidCreatedAt                  = "InvalidCreatedAt"
	CodeStateDigestMismatch               = "StateDigestMismatch"
	CodeVoteAlreadyExists                 = "VoteAlreadyExists"
	CodeProposalNotFound                  = "ProposalNotFound"
	CodeVoteNotFound                      = "VoteNotFound"
	CodeTransactionPendingOrUnknown       = "TransactionPendingOrUnknown"
	CodeTransactionInvalid                = "TransactionInvalid"
	CodeTransactionCommitAttemptsExceeded = "TransactionCommitAttemptsExceedLimit"
	CodeTransactionReplicationFailed      = "TransactionReplicationFailed"
	CodeTooManyPendingTransactions        = "TooManyPendingTransactions"
	CodePrimaryNotFound                   = "PrimaryNotFound"
	CodeBackupNotFound                    = "BackupNotFound"
	CodeRequestAlreadyForwarded           = "RequestAlreadyForwarded"
	CodeSessionConsistencyLost            = "SessionConsistencyLost"
	CodeNodeCannotHandleRequest           = "NodeCannotHandleRequest"
	CodeNodeNotRetiredCommitted           = "NodeNotRetiredCommitted"
	CodeMissingAPIVersionParameter        = "MissingApiVersionParameter"
	CodeUnsupportedAPIVersionValue        = "UnsupportedApiVersionValue"
	CodeInvalidQuote                      = "InvalidQuote"
	CodeInvalidNodeState                  = "InvalidNodeState"
	CodeNodeAlreadyExists                 = "NodeAlreadyExists"
	CodeStartupSeqnoIsOld                 = "StartupSeqnoIsOld"
	CodeCSRPublicKeyInvalid               = "CSRPublicKeyInvalid"
	// CodeCommitTimeout is Concordat's own: x-concordat-wait ran out before the transaction committed.
	CodeCommitTimeout = "CommitTimeout"
)

// Errors a Ledger's Submit returns; test them with errors.Is.
var (
	// ErrConflict means that another transaction wrote what this one read: run it again.
	ErrConflict = errors.New("transaction conflicts with a newer one")
	// ErrNotPrimary means that this node cannot replicate now.
	ErrNotPrimary = errors.New("node is not primary")
	// ErrTooManyPending means that too many transactions wait for commit.
	ErrTooManyPending = errors.New("too many transactions are pending commit on the service")
)
