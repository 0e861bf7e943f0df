package webhook_test

import (
	"strings"
	"testing"

	"orders/db/alert"
	"orders/db/condition"
	"orders/workers/webhook"
)

func TestTheAddressIsASecret(t *testing.T) {
	t.Parallel()

	for address, want := range map[string]string{
		"":                                     "",
		"https://hooks.example/services/T0/B0": "https://hooks.example/(not shown)",
		"https://me:secret@hooks.example:8443/x?token=secret": "https://hooks.example:8443/(not shown)",
	} {
		if got := webhook.Redacted(address); got != want {
			t.Errorf("%s is shown as %s", address, got)
		}
	}

	for _, address := range []string{"hooks.example/secret", "ftp://hooks.example/secret", "https:///secret", "https://hooks.example/%zzsecret"} {
		if err := webhook.Check(address); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", address, err)
		}
	}

	if err := webhook.Check("http://127.0.0.1:9/secret"); err != nil {
		t.Error(err)
	}

	err := webhook.New("http://127.0.0.1:1/secret?token=secret").Post(t.Context(), alert.Message{Condition: condition.NoLeader})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("nobody listens: %v", err)
	}

	if webhook.New("") != nil {
		t.Error("a client without an address")
	}
}
