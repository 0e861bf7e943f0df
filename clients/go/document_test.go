package clients

import (
	"context"
	"os"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/pb33f/libopenapi"
)

const (
	file       = "../../openapi.yaml"
	operations = 24
)

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

	if n != operations {
		t.Errorf("%d operations", n)
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

	if n != operations {
		t.Errorf("%d operations", n)
	}

	if circular := model.Index.GetCircularReferences(); len(circular) != 0 {
		t.Errorf("circular references: %v", circular)
	}
}
