package clients

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// A received request, and whether a sample must accept it.
type received struct {
	Name    string            `json:"name"`
	Secret  string            `json:"secret"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Good    bool              `json:"good"`
}

// requests are signed by the library of Standard Webhooks.
func requests(t *testing.T) []received {
	t.Helper()

	const (
		id   = "order.confirmed:019b8d92-5f40-7bb3-8d6c-2c1fbd0d4a11"
		body = `{"id":"` + id + `","reference":"Zürich"}`
	)

	now := time.Now()
	secret, other := newSecret(), newSecret()

	signed := func(secret string, at time.Time) string {
		hook, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}

		signature, err := hook.Sign(id, at, []byte(body))
		if err != nil {
			t.Fatal(err)
		}

		return signature
	}

	request := func(name string, good bool, at time.Time, signature string) received {
		return received{Name: name, Secret: secret, Body: body, Good: good, Headers: map[string]string{
			"webhook-id": id, "webhook-timestamp": strconv.FormatInt(at.Unix(), 10), "webhook-signature": signature,
		}}
	}

	own := signed(secret, now)
	all := []received{
		request("signed", true, now, own),
		request("two secrets", true, now, signed(other, now)+" "+own),
		request("another version first", true, now, "v1a,AAAA "+own),
		request("another secret", false, now, signed(other, now)),
		request("another version only", false, now, strings.Replace(own, "v1,", "v1a,", 1)),
		request("too old", false, now.Add(-6*time.Minute), signed(secret, now.Add(-6*time.Minute))),
		request("in the future", false, now.Add(6*time.Minute), signed(secret, now.Add(6*time.Minute))),
		request("another time", false, now.Add(time.Second), own),
		request("no signature", false, now, ""),
		request("not base64", false, now, "v1,?"),
	}

	changed := all[0]
	changed.Name, changed.Good, changed.Body = "another body", false, body+" "
	empty := all[0]
	empty.Name, empty.Good, empty.Secret = "an empty secret", false, "whsec_"
	unsigned := received{Name: "no headers", Secret: secret, Body: body, Headers: map[string]string{}}

	return append(all, changed, empty, unsigned)
}

func newSecret() string {
	key := make([]byte, 32)
	rand.Read(key)

	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

// The samples of docs/api.md accept what Standard Webhooks signs, and nothing else.
func TestSamplesVerifySignatures(t *testing.T) {
	all := requests(t)

	for _, r := range all {
		header := http.Header{}
		for name, value := range r.Headers {
			header.Set(name, value)
		}

		if err := Verify(r.Secret, header, []byte(r.Body), time.Now()); (err == nil) != r.Good {
			t.Errorf("go: %s: %v", r.Name, err)
		}
	}

	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}

	for program, args := range map[string][]string{
		"node": {"--input-type=module", "--eval", `
			import { verify } from "../node/verify.mjs";
			let text = "";
			for await (const part of process.stdin) text += part;
			for (const r of JSON.parse(text)) {
				let good = true;
				try { verify(r.secret, r.headers, Buffer.from(r.body)); } catch { good = false; }
				console.log(good);
			}`},
		"python3": {"-B", "-c", `
import json, sys
sys.path.insert(0, "../python")
from verify import verify
for r in json.load(sys.stdin):
    try:
        verify(r["secret"], r["headers"], r["body"].encode())
        print("true")
    except ValueError:
        print("false")`},
	} {
		if _, err := exec.LookPath(program); err != nil {
			t.Logf("%s is missing: its sample is not run", program)

			continue
		}

		command := exec.Command(program, args...)
		command.Stdin = strings.NewReader(string(text))

		out, err := command.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", program, err, out)

			continue
		}

		verdicts := strings.Fields(string(out))
		for i, r := range all {
			if i >= len(verdicts) || verdicts[i] != strconv.FormatBool(r.Good) {
				t.Errorf("%s: %s: %s", program, r.Name, out)
			}
		}
	}
}
