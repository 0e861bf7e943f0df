package admission_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"orders/api/admission"
	"orders/order"
)

// There is a line when refusals begin, at most one a minute while they last, and one with
// their number when they end.
func TestRefusalsAreLoggedWithTheirNumber(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer

		r := admission.NewRefusals(slog.New(slog.NewJSONHandler(&log, nil)), order.Overloaded)

		for range 2 { // what was counted is forgotten
			log.Reset()

			for range 1_500 { // of 150 s
				r.Note(t.Context(), "queue", "points")
				time.Sleep(100 * time.Millisecond)
			}

			time.Sleep(2 * admission.QuietFor)
			synctest.Wait()

			got := lines(t, &log)
			if len(got) != 4 {
				t.Fatalf("%d lines: %v", len(got), got)
			}

			for i, want := range []struct{ msg, level string }{
				{"requests are refused", "WARN"},
				{"requests are still refused", "WARN"},
				{"requests are still refused", "WARN"},
				{"requests are not refused any more", "INFO"},
			} {
				if got[i]["msg"] != want.msg || got[i]["level"] != want.level || got[i]["cause"] != string(order.Overloaded) {
					t.Errorf("line %d: %v, want %v", i, got[i], want)
				}
			}

			minute, _ := got[1]["refused"].(float64)
			if got[0]["queue"] != "points" || minute < 600 || minute > 601 || got[3]["refused"] != 1500.0 {
				t.Errorf("%v", got)
			}

			if between := moment(t, got[2]).Sub(moment(t, got[1])); between < admission.LogEvery {
				t.Errorf("%s between two lines", between)
			}
		}
	})
}

func lines(t *testing.T, log *bytes.Buffer) (lines []map[string]any) {
	t.Helper()

	for decoder := json.NewDecoder(bytes.NewReader(log.Bytes())); decoder.More(); {
		var line map[string]any
		if err := decoder.Decode(&line); err != nil {
			t.Fatal(err)
		}

		lines = append(lines, line)
	}

	return lines
}

func moment(t *testing.T, line map[string]any) time.Time {
	t.Helper()

	at, err := time.Parse(time.RFC3339Nano, line["time"].(string))
	if err != nil {
		t.Fatal(err)
	}

	return at
}

// Each refusal is counted, and not only those that are logged.
func TestEachRefusalIsCounted(t *testing.T) {
	t.Parallel()

	counted := map[order.Code]int{}
	r := admission.NewRefusals(slog.New(slog.DiscardHandler), order.InFlightLimit)
	r.CountWith(func(cause order.Code) { counted[cause]++ })

	for range 3 {
		r.Note(t.Context())
	}

	if counted[order.InFlightLimit] != 3 {
		t.Errorf("counted %v", counted)
	}
}
