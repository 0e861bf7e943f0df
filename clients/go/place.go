package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Problem is a refusal. Decide by Type; Detail is for people.
type Problem struct {
	Type      string `json:"type"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
}

func (p *Problem) Error() string { return p.Type + ": " + p.Detail + " (" + p.RequestID + ")" }

// Place posts an order under its key until the response is final. An error that is no *Problem
// means that the outcome is unknown: call Place again with the same key and body.
func Place(ctx context.Context, url, token, key string, body []byte) (location string, err error) {
	for attempt := 0; ; attempt++ {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/orders", bytes.NewReader(body))
		if err != nil {
			return "", err
		}

		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Idempotency-Key", key)

		wait := time.Second << min(attempt, 5) // doubled each time, and half of it at random

		response, err := http.DefaultClient.Do(r)
		if err == nil {
			text, _ := io.ReadAll(response.Body)
			response.Body.Close()

			problem := &Problem{Status: response.StatusCode}

			switch json.Unmarshal(text, problem); {
			case response.StatusCode < 300:
				return response.Header.Get("Location"), nil
			case response.StatusCode != http.StatusTooManyRequests && response.StatusCode < 500:
				return "", problem // the same request would be refused again
			}

			err = problem

			if seconds, e := strconv.Atoi(response.Header.Get("Retry-After")); e == nil {
				wait = time.Duration(seconds) * time.Second
			}
		}

		select {
		case <-ctx.Done():
			return "", fmt.Errorf("not placed after %d attempts: %w", attempt+1, err)
		case <-time.After(wait/2 + rand.N(wait/2+1)):
		}
	}
}
