package operator

import (
	"net/http"

	"concordat/governance/tables"
	"concordat/ledger/jsondoc"
	"concordat/node/frontend"
)

func (h *handlers) service() []frontend.Endpoint {
	return []frontend.Endpoint{
		get("/service/previous_identity", frontend.ForwardSometimes, frontend.ReadOnly, h.getPreviousIdentity),
		get("/service/configuration", frontend.ForwardNever, frontend.ReadOnly, h.getConfiguration),
	}
}

func (h *handlers) getPreviousIdentity(c *frontend.Context) error {
	pem, ok, err := cell(c, tables.PreviousIdentity)
	if err != nil || !ok {
		return orNotFound(err, "This service is not a recovery of a previous service.")
	}
	return c.JSON(map[string]string{"previous_service_identity": pem})
}

// getConfiguration shows the stored row; a service without one answers 204.
func (h *handlers) getConfiguration(c *frontend.Context) error {
	row, ok, err := cell(c, tables.Cell[jsondoc.Opaque]{Name: tables.ServiceConfigTable})
	if err != nil {
		return err
	}
	if !ok {
		return c.JSON(nil)
	}
	return c.JSON(row)
}

// internal endpoints are called by nodes, never by clients.
func (h *handlers) internal() []frontend.Endpoint {
	return []frontend.Endpoint{
		{Verb: http.MethodPost, Path: "/create", Hidden: true, Handler: h.create},
	}
}

// create refuses: a node writes its genesis transaction itself, before it serves.
func (h *handlers) create(c *frontend.Context) error {
	var body any
	if err := c.Decode(&body); err != nil {
		return err
	}
	return frontend.Errorf(http.StatusForbidden, frontend.CodeInternalError, "Node is not in initial state.")
}
