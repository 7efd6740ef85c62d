package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"concordat/node/frontend"
)

// AllOf is the conjunction of policies, tried in the order of their names whatever the order given. The same policy twice is an error, in CCF's words.
func AllOf(parts []frontend.Policy) (frontend.Policy, error) {
	sorted := slices.Clone(parts)
	slices.SortStableFunc(sorted, func(a, b frontend.Policy) int { return strings.Compare(a.Name(), b.Name()) })
	p := &allOf{parts: sorted}
	for i, part := range sorted {
		if i > 0 && sorted[i-1].Name() == part.Name() {
			return nil, fmt.Errorf("AND authentication policy contains duplicate policies identified by %s (policy = )", part.Name())
		}
		p.names = append(p.names, part.Name())
	}
	if len(p.names) == 0 {
		return nil, errors.New("a conjunction of no policies")
	}
	p.name = strings.Join(p.names, "+")
	return p, nil
}

type allOf struct {
	name  string
	names []string
	parts []frontend.Policy
}

// Name implements frontend.Policy.
func (p *allOf) Name() string { return p.name }

// Authenticate implements frontend.Policy. A refusal names the member that refused and carries its challenge.
func (p *allOf) Authenticate(c *frontend.Context) (*frontend.Identity, error) {
	id := &frontend.Identity{Policy: p.name, Names: p.names, Each: map[string]*frontend.Identity{}}
	for _, part := range p.parts {
		found, err := part.Authenticate(c)
		var d *frontend.Denied
		switch {
		case errors.As(err, &d):
			return nil, &frontend.Denied{Reason: part.Name() + ":" + d.Reason, Challenge: part.Challenge()}
		case err != nil:
			return nil, err
		}
		id.Each[part.Name()] = found
	}
	return id, nil
}

// Challenge implements frontend.Policy; the refusal brings its own.
func (p *allOf) Challenge() string { return "" }

// Security implements frontend.Policy: CCF documents none for a conjunction.
func (p *allOf) Security() *frontend.SecurityScheme { return nil }
