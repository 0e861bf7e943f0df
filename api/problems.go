package api

import (
	"bytes"
	"cmp"
	_ "embed"
	"html/template"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"orders/api/operation"
	"orders/api/problem"
	"orders/order"
)

//go:embed problems.html
var problemsHTML string

// problemsPage is the page of one problem type, or of all.
var problemsPage = template.Must(template.New("problems").Parse(problemsHTML))

// A problemPage is what the page shows of a problem type.
type problemPage struct {
	problem.Type

	Address    problem.Address
	Operations []string // that declare it
}

func problemPageOf(code order.Code) problemPage {
	return problemPage{Type: problem.TypeOf(code), Address: problem.AddressOf(code)}
}

// listProblems lists the problem types.
func (s *service) listProblems(w http.ResponseWriter, r *http.Request) {
	writeProblems(w, r, operation.Each(problem.Codes(), problemPageOf))
}

// explainProblem is the page that the type of a problem is the address of.
func (s *service) explainProblem(w http.ResponseWriter, r *http.Request) {
	code := order.Code(r.PathValue("code"))
	if !slices.Contains(problem.Codes(), code) {
		problem.New(r.Context(), order.NotFound, "There is no such problem type; /problems lists them.").Write(w)

		return
	}

	page := problemPageOf(code)

	for path, item := range s.api.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put} {
			if op != nil && problem.Declares(op, code) {
				page.Operations = append(page.Operations, op.Method+" "+path)
			}
		}
	}

	slices.SortFunc(page.Operations, cmp.Compare[string])
	writeProblems(w, r, []problemPage{page})
}

func writeProblems(w http.ResponseWriter, r *http.Request, pages []problemPage) {
	var text bytes.Buffer
	if err := problemsPage.Execute(&text, pages); err != nil {
		problem.Of(r.Context(), err).Write(w)

		return
	}

	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(text.Bytes())
}
