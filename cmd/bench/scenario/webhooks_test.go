package scenario_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"orders/cmd/bench/receiver"
)

// A receiver takes events when it is healthy only, and notices what is lost, unknown or comes again.
func TestReceiver(t *testing.T) {
	t.Parallel()

	r, err := receiver.Start(t.Context(), receiver.Hangs)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { r.Close() })

	ids := []uuid.UUID{uuid.New(), uuid.New()}
	post := func(id uuid.UUID) (status int, header http.Header) {
		request, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, r.URL(), strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}

		request.Header.Set("Webhook-Id", string(receiver.Type)+":"+id.String())

		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, nil
		}

		response.Body.Close()

		return response.StatusCode, response.Header
	}
	set := func(mode receiver.Mode) {
		if err := r.Set(t.Context(), mode); err != nil {
			t.Fatal(err)
		}
	}

	hanging := make(chan int)

	go func() {
		status, _ := post(ids[0])
		hanging <- status
	}()

	set(receiver.Fails) // before or after the request, which ends either way

	if status := <-hanging; status != http.StatusInternalServerError {
		t.Errorf("after it hung: %d", status)
	}

	set(receiver.Limits)

	if status, header := post(ids[0]); status != http.StatusTooManyRequests || header.Get("Retry-After") == "" {
		t.Errorf("%d, %v", status, header)
	}

	set(receiver.Down)

	if status, _ := post(ids[0]); status != 0 {
		t.Errorf("it is down and responds with %d", status)
	}

	set(receiver.Healthy)
	post(ids[0])

	if err := r.Check(ids); err == nil || !strings.Contains(err.Error(), "of 2 events, 1 are lost") {
		t.Errorf("%v, although one is lost", err)
	}

	post(ids[1])
	post(ids[1])

	if c, err := r.Count(), r.Check(ids); c.Events != 2 || c.Again != 1 || err != nil {
		t.Errorf("%+v, %v", c, err)
	}

	if err := r.Check(ids[:1]); err == nil {
		t.Error("an event that nobody expects is not noticed")
	}
}
