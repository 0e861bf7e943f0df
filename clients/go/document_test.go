package clients

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/pb33f/libopenapi"
)

const file = "../../openapi.yaml"

// operations counts the operations of the document, without a library.
func operations(t *testing.T) int {
	t.Helper()

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	return bytes.Count(text, []byte("operationId: "))
}

func TestKinOpenAPIReadsTheDocument(t *testing.T) {
	document, err := openapi3.NewLoader().LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}

	if err := document.Validate(context.Background()); err != nil {
		t.Error(err)
	}

	n := 0
	for _, item := range document.Paths.Map() {
		n += len(item.Operations())
	}

	if want := operations(t); n != want || n == 0 {
		t.Errorf("%d operations, want %d", n, want)
	}
}

func TestLibopenapiReadsTheDocument(t *testing.T) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	document, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}

	model, err := document.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}

	n := 0
	for item := range model.Model.Paths.PathItems.ValuesFromOldest() {
		n += item.GetOperations().Len()
	}

	if want := operations(t); n != want || n == 0 {
		t.Errorf("%d operations, want %d", n, want)
	}

	if circular := model.Index.GetCircularReferences(); len(circular) != 0 {
		t.Errorf("circular references: %v", circular)
	}
}
