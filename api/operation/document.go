package operation

import (
	"maps"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"orders/order"
)

// Finish makes the document one that all tools read, when all operations are registered.
func Finish(document *huma.OpenAPI) {
	document.Components.Responses = map[string]*huma.Response{"Problem": Refusal(document.Components.Schemas)}

	for _, schema := range schemas(document) {
		finish(schema)
		schema.PrecomputeMessages()
	}

	for _, schema := range schemas(document) {
		each(schema, func(s *huma.Schema) { s.PatternDescription = "" }) // huma's own keyword, now in its messages
	}
}

// finish changes what huma's schemas say.
func finish(schema *huma.Schema) {
	each(schema, func(s *huma.Schema) {
		// Responses may gain fields, which is what a schema without the keyword means. With true, generated types have
		// a map of further fields, so that a mistyped name compiles.
		if s.AdditionalProperties == true {
			s.AdditionalProperties = nil
		}

		// No integer is beyond what a float64 holds exactly.
		if s.Type == huma.TypeInteger && s.Maximum == nil {
			s.Maximum = new(float64(order.MaxExact))
		}
	})
}

// schemas are the roots of all schemas of the document.
func schemas(document *huma.OpenAPI) []*huma.Schema {
	roots := slices.Collect(maps.Values(document.Components.Schemas.Map()))

	for _, path := range document.Paths {
		for _, op := range []*huma.Operation{path.Get, path.Put, path.Post} {
			if op == nil {
				continue
			}

			for _, p := range op.Parameters {
				roots = append(roots, p.Schema)
			}
		}
	}

	return roots
}

// each calls f with a schema and all schemas in it.
func each(schema *huma.Schema, f func(*huma.Schema)) {
	if schema == nil {
		return
	}

	f(schema)

	for _, property := range schema.Properties {
		each(property, f)
	}

	for _, member := range schema.AnyOf {
		each(member, f)
	}

	each(schema.Items, f)

	if further, ok := schema.AdditionalProperties.(*huma.Schema); ok {
		each(further, f)
	}
}
