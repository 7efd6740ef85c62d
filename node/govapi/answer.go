package govapi

import (
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"concordat/governance"
	"concordat/ledger/jsondoc"
	"concordat/node/frontend"
)

const (
	typeJSON = "application/json"
	typeJS   = "text/javascript"
)

// answer sends v as JSON.
func answer(c *frontend.Context, v any) error {
	b, err := jsondoc.Marshal(v)
	if err != nil {
		return err
	}
	return c.Raw(http.StatusOK, typeJSON, b)
}

// list is the shape of every collection.
type list struct {
	Value []any `json:"value"`
}

func newList() list { return list{Value: []any{}} }

// statusOf maps refusals of package governance to statuses; what is missing is
// the caller's mistake.
var statusOf = map[governance.Code]int{
	governance.Internal:            http.StatusInternalServerError,
	governance.AuthorizationFailed: http.StatusForbidden,
	governance.NotWaitingForShares: http.StatusForbidden,
	governance.AlreadyRecovering:   http.StatusForbidden,
	governance.ResourceNotFound:    http.StatusNotFound,
	governance.ProposalNotFound:    http.StatusNotFound,
	governance.VoteNotFound:        http.StatusNotFound,
}

// failure turns an error of package governance into an answer.
func failure(c *frontend.Context, err error) error {
	var refused *governance.Error
	if !errors.As(err, &refused) {
		return err
	}
	if refused.Keep {
		c.SetApplyWrites(true)
	}
	status, ok := statusOf[refused.Code]
	if !ok {
		status = http.StatusBadRequest
	}
	return frontend.Errorf(status, string(refused.Code), "%s", refused.Message)
}

func notFound(format string, args ...any) error {
	return frontend.Errorf(http.StatusNotFound, frontend.CodeResourceNotFound, format, args...)
}

// idLength is the length of every id: a SHA-256 digest in hexadecimal.
const idLength = 64

// idParam reads a path parameter that is an id; kind is what messages call it.
func idParam(c *frontend.Context, name, kind string) (string, error) {
	id := c.Param(name)
	if _, err := hex.DecodeString(id); err != nil || len(id) != idLength {
		return "", frontend.Errorf(http.StatusBadRequest, frontend.CodeInvalidResourceName, "'%s' is not a valid hex-encoded %s ID", id, kind)
	}
	return id, nil
}

func proposalParam(c *frontend.Context) (string, error) { return idParam(c, "proposalId", "proposal") }

func memberParam(c *frontend.Context) (string, error) { return idParam(c, "memberId", "member") }

// isNull reports whether an opaque value is absent, for members that are shown
// as null.
func orNull(v jsondoc.Opaque) any {
	if len(v) == 0 {
		return nil
	}
	return v
}

// decoded undoes the percent encoding of a path parameter.
func decoded(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	return unescape(s)
}
