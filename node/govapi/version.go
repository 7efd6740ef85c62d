package govapi

import (
	"net/http"
	"slices"
	"strings"

	"concordat/node/frontend"
)

type handlerFunc = func(*frontend.Context) error

// Versions of the interface, oldest first. They differ in which endpoints exist.
const (
	versionPreview = "2023-06-01-preview"
	version2024    = "2024-07-01"
)

var (
	allVersions = []string{versionPreview, version2024}
	newVersions = []string{version2024}
)

// versioned asks for a version that the endpoint has. It runs after the caller
// was authenticated.
func versioned(versions []string, handler handlerFunc) handlerFunc {
	return func(c *frontend.Context) error {
		if _, err := versionOf(c, versions); err != nil {
			return err
		}
		return handler(c)
	}
}

func versionOf(c *frontend.Context, versions []string) (string, error) {
	version, ok := c.Query.Lookup("api-version")
	supported := strings.Join(versions, ", ")
	if !ok {
		return "", frontend.Errorf(http.StatusBadRequest, frontend.CodeMissingAPIVersionParameter,
			"The api-version query parameter (?api-version=) is required for all requests. The supported api-versions are: %s", supported)
	}
	if !slices.Contains(versions, version) {
		return "", frontend.Errorf(http.StatusBadRequest, frontend.CodeUnsupportedAPIVersionValue,
			"Unsupported api-version '%s'. The supported api-versions are: %s", version, supported)
	}
	return version, nil
}
