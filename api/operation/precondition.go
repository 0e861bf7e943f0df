package operation

import (
	"regexp"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"orders/api/problem"
	"orders/order"
)

// Preconditions make a request depend on the entity tag of what it is about, after RFC
// 9110: embed them. huma's own compare weak tags as if they were strong, and do not know
// If-Match: *.
type Preconditions struct {
	Match     string `header:"If-Match" example:"\"x1Vbq0kDRNc.100\"" doc:"Entity tags, or *. The request is refused with 412 if the product has none of the tags, or if there is no product."`
	NoneMatch string `header:"If-None-Match" example:"*" doc:"Entity tags, or *. If the product has one of the tags, or if there is a product and * was sent, a read responds with 304 and a change is refused with 412."`
}

var (
	entityTag  = regexp.MustCompile(`(?:W/)?"[^"]*"`)
	entityTags = regexp.MustCompile(`^\s*(?:\*|(?:W/)?"[^"]*"(?:[\s,]*,\s*(?:W/)?"[^"]*")*)\s*$`)
)

// Resolve reads all lines of each header, where huma reads the first. It refuses what is not
// a list of tags: ignored, an If-Match with a mistake would overwrite.
func (p *Preconditions) Resolve(ctx huma.Context) (mistakes []error) {
	lines := map[string][]string{}

	ctx.EachHeader(func(name, value string) { lines[name] = append(lines[name], value) })

	for name, field := range map[string]*string{"If-Match": &p.Match, "If-None-Match": &p.NoneMatch} {
		*field = strings.Join(lines[name], ", ")

		if lines[name] != nil && !entityTags.MatchString(*field) {
			mistakes = append(mistakes, &huma.ErrorDetail{Location: "header." + name, Message: `expected entity tags in quotes, or *`})
		}
	}

	return mistakes
}

// CheckMatch refuses a request by its If-Match. is tells whether what the request is about
// has a tag; nil if it does not exist. A weak tag matches nothing here.
func (p *Preconditions) CheckMatch(is func(tag string) bool) error {
	switch {
	case p.Match == "", is != nil && p.Match == "*":
		return nil
	case is == nil:
		return order.Errorf(problem.PreconditionFailed, "If-Match was sent, and there is no such product.")
	case !slices.ContainsFunc(entityTag.FindAllString(p.Match, -1), is):
		return order.Errorf(problem.PreconditionFailed, "%s", problem.TypeOf(problem.PreconditionFailed).Detail)
	}

	return nil
}

// CheckNoneMatch refuses a request by its If-None-Match.
func (p *Preconditions) CheckNoneMatch(is func(tag string) bool) error {
	found := func(tag string) bool { return is(strings.TrimPrefix(tag, "W/")) }

	if is != nil && (p.NoneMatch == "*" || slices.ContainsFunc(entityTag.FindAllString(p.NoneMatch, -1), found)) {
		return order.Errorf(problem.PreconditionFailed, "If-None-Match was sent, and the product is there already.")
	}

	return nil
}
