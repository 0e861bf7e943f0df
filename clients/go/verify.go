package clients

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Verify returns an error if a webhook's request is not signed with the secret, or is not of the last
// five minutes. Pass the body as it was received, before it is decoded.
func Verify(secret string, header http.Header, body []byte, now time.Time) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) == 0 {
		return errors.New("the secret is not one")
	}

	at, err := strconv.ParseInt(header.Get("Webhook-Timestamp"), 10, 64)
	if err != nil || now.Sub(time.Unix(at, 0)).Abs() > 5*time.Minute {
		return errors.New("the timestamp is too old, or in the future")
	}

	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", header.Get("Webhook-Id"), at, body)
	expected := mac.Sum(nil)

	// While the secret is rotated, there is a signature of each secret.
	for _, signature := range strings.Fields(header.Get("Webhook-Signature")) {
		text, isV1 := strings.CutPrefix(signature, "v1,")
		got, err := base64.StdEncoding.DecodeString(text)

		if isV1 && err == nil && hmac.Equal(got, expected) {
			return nil
		}
	}

	return errors.New("no signature is of the secret")
}
