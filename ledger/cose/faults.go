package cose

import (
	"errors"

	"github.com/fxamacker/cbor/v2"
)

func asError[T error](err error, target *T) bool { return err != nil && errors.As(err, target) }

func tooDeep(err error) bool {
	var e *cbor.MaxNestedLevelError
	return asError(err, &e)
}

func indefinite(err error) bool {
	var e *cbor.IndefiniteLengthError
	return asError(err, &e)
}
