package appapi

import (
	"slices"
	"strings"

	"concordat/js-apps/api"
	"concordat/ledger/jsondoc"
	"concordat/node/frontend"
)

// codeJSException is the detail code of an exception shown to the caller.
const codeJSException = "JSException"

func (a *App) handle(c *frontend.Context) error {
	return a.call(c, &api.Host{Tx: c.Tx(), Access: access(c)})
}

func access(c *frontend.Context) api.Access {
	if c.Endpoint.Mode == frontend.ReadWrite {
		return api.AppRW
	}
	return api.AppRO
}

// call runs the handler and turns its answer into the response.
func (a *App) call(c *frontend.Context, h *api.Host) error {
	m := c.Endpoint.Data.(*metadata)
	o, err := a.Options(c)
	if err != nil {
		return err
	}
	h.Consensus, h.SNP, h.Log = a.cfg.Consensus, a.cfg.SNP, a.log
	if a.cfg.Historical != nil {
		h.Historical = rangeView{a.cfg.Historical, c}
	}
	e := api.Endpoint{
		Module: m.Module, Function: m.Function, Method: c.Req.Method, Route: c.Endpoint.FullPath(), ReuseKey: m.reuseKey(),
	}
	r, err := a.cfg.Apps.Call(c.Ctx, e, modules{c}, o, request(c), h)
	if err != nil {
		return err
	}
	a.keepWrites(c, r)
	if r.Error != nil {
		return a.failed(r.Error, o)
	}
	answer(c, r)
	return nil
}

// keepWrites applies what the script said through ccf.rpc.
func (a *App) keepWrites(c *frontend.Context, r *api.Response) {
	if r.Claims != nil {
		c.SetClaims(*r.Claims)
	}
	if r.Error != nil && r.Error.DropWrites {
		c.SetApplyWrites(false)
		return
	}
	if r.ApplyWrites != nil {
		c.SetApplyWrites(*r.ApplyWrites)
	}
}

// failed is the 500 of a script that threw, was stopped or answered nonsense.
func (a *App) failed(f *api.Failure, o api.Options) error {
	e := frontend.Errorf(500, frontend.CodeInternalError, "%s", f.HTTPMessage)
	if f.Details == nil {
		return e
	}
	if o.ReturnDetails {
		e.Details = []any{exceptionDetail{codeJSException, f.Details.Reason, f.Details.Trace}}
	}
	return e
}

type exceptionDetail struct {
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Trace   *string `json:"trace,omitempty"`
}

func answer(c *frontend.Context, r *api.Response) {
	c.Resp.Status = r.Status
	for _, h := range r.Headers {
		c.Resp.Set(h.Name, h.Value)
	}
	c.Resp.Body = r.Body
}

// request builds the object the handler gets (ccf-js-api 2.1 with corrections).
func request(c *frontend.Context) *api.Request {
	r := &api.Request{
		Method: c.Req.Method, Path: c.Path, Route: c.Endpoint.FullPath(), URL: c.Path, Query: c.Query.Text,
		Body: c.Req.Body, Caller: caller(c.Caller),
	}
	if r.Query != "" {
		r.URL += "?" + r.Query
	}
	if host, ok := c.Req.Lookup("host"); ok {
		r.Hostname = &host
	}
	r.Headers = headers(c)
	for _, p := range c.Params {
		r.Params = append(r.Params, api.Param{Name: p.Name, Value: p.Value})
	}
	slices.SortFunc(r.Params, func(x, y api.Param) int { return strings.Compare(x.Name, y.Name) })
	return r
}

// headers are in order of name; a request without any shows one empty header, as
// recorded (ccf-http-api-corrections 11).
func headers(c *frontend.Context) []api.Header {
	if len(c.Req.Fields) == 0 {
		return []api.Header{{}}
	}
	list := make([]api.Header, len(c.Req.Fields))
	for i, f := range c.Req.Fields {
		list[i] = api.Header{Name: f.Name, Value: f.Value}
	}
	slices.SortFunc(list, func(x, y api.Header) int { return strings.Compare(x.Name, y.Name) })
	return list
}

func caller(id *frontend.Identity) *api.Caller {
	if id == nil {
		return nil
	}
	p := &api.Caller{Policy: id.Policy, ID: id.ID, Data: sorted(id.Data), Cert: id.CertPEM}
	if id.Signed != nil {
		p.COSEContent = id.Signed.Content
	}
	if id.JWT != nil {
		p.JWT = &api.JWT{KeyIssuer: id.JWT.KeyIssuer, Header: id.JWT.Header, Payload: id.JWT.Payload}
	}
	for _, name := range id.Names {
		p.AllOf = append(p.AllOf, caller(id.Each[name]))
	}
	return p
}

// sorted gives user and member data the form in which native code hands JSON on:
// members in order of name (ccf-js-api-corrections 23).
func sorted(data []byte) []byte {
	if len(data) == 0 {
		return data
	}
	canonical, err := jsondoc.Canonical(data)
	if err != nil {
		return data // the script's own JSON.parse will say what is wrong
	}
	return canonical
}
