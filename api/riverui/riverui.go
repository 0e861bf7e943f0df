// Package riverui records who did what in River UI, which knows nobody.
package riverui

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/access"
	"orders/api/problem"
	"orders/db"
	"orders/db/action"
	"orders/order"
)

// Prefix is where River UI is served.
const Prefix = "/riverui"

// names are what requests of River UI's own API do, by their pattern. [action.OtherInRiverUI]
// stands for those that a later version of it may have.
var names = map[string]action.Name{
	"POST " + Prefix + "/api/jobs/retry":          action.RetryJob,
	"POST " + Prefix + "/api/jobs/cancel":         action.CancelJob,
	"POST " + Prefix + "/api/jobs/delete":         action.DeleteJob,
	"PUT " + Prefix + "/api/queues/{name}/pause":  action.PauseQueue,
	"PUT " + Prefix + "/api/queues/{name}/resume": action.ResumeQueue,
	"PATCH " + Prefix + "/api/queues/{name}":      action.ChangeQueue,
}

// Record serves River UI's requests that change something, and writes who did what.
//
// The rows are written first, and committed when River UI has answered with success. So
// nothing is done if its actor cannot be written, and what River UI refuses has no row. Its
// own transaction is not ours: if the process dies between the two commits, only the log
// has the act.
func Record(pool *pgxpool.Pool, log *slog.Logger, ui http.Handler) http.Handler {
	mux := http.NewServeMux()

	for pattern, name := range names {
		mux.Handle(pattern, &recorder{pool: pool, log: log, ui: ui, name: name})
	}

	mux.Handle("/", &recorder{pool: pool, log: log, ui: ui, name: action.OtherInRiverUI})

	return mux
}

// maxJobs is how many jobs River UI takes in a request. It refuses more.
const maxJobs = 1_000

type recorder struct {
	pool *pgxpool.Pool
	log  *slog.Logger
	ui   http.Handler
	name action.Name
}

// errRefused ends the transaction of an act that River UI has refused.
var errRefused = errors.New("the request was refused by River UI")

func (rec *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.Header().Set("Connection", "close") // or else net/http first waits for the rest of the body
		problem.New(r.Context(), codeOf(err), "").Write(w)

		return
	}

	r.Body = io.NopCloser(bytes.NewReader(body))
	by := access.Actor(r.Context())
	targets := rec.targets(r, body)
	response := &response{ResponseWriter: w}

	err = db.InTx(r.Context(), rec.pool, func(tx pgx.Tx) error { //nolint:contextcheck // River UI takes it from the request
		if err := rec.record(r.Context(), tx, targets); err != nil {
			return err
		}

		rec.log.InfoContext(r.Context(), "act in River UI",
			"action", rec.name, "actor", by.Name, "known_by", by.KnownBy, "targets", ids(targets))
		rec.ui.ServeHTTP(response, r)

		if response.status >= http.StatusMultipleChoices {
			return errRefused
		}

		return nil
	})

	switch {
	case err == nil || errors.Is(err, errRefused):
	case response.status == 0:
		problem.Of(r.Context(), db.Error(err)).Write(w)
	default:
		rec.log.ErrorContext(r.Context(), "an act in River UI is in the log only",
			"action", rec.name, "actor", by.Name, "targets", ids(targets), "error", err)
	}
}

// codeOf is that of a body that cannot be read.
func codeOf(err error) order.Code {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return problem.BodyTooLarge
	}

	if failure, ok := errors.AsType[net.Error](err); ok && failure.Timeout() {
		return problem.BodyTimeout
	}

	return problem.MalformedBody
}

// record writes the rows, so that an error shows before River UI acts.
func (rec *recorder) record(ctx context.Context, tx pgx.Tx, targets []action.Target) error {
	orders, err := action.OrdersOf(ctx, tx, jobsOf(targets))
	if err != nil {
		return err
	}

	actions := make([]action.Action, len(targets))

	for i, target := range targets {
		actions[i] = action.Action{By: access.Actor(ctx), Name: rec.name, Target: target, Detail: map[string]any{"in": "River UI"}}

		if target.Kind == action.Job {
			id, _ := strconv.ParseInt(target.ID, 10, 64)
			actions[i].OrderID = orders[id]
		}
	}

	if err := action.Record(ctx, tx, actions...); err != nil {
		return err
	}

	_, err = db.Now(ctx, tx) // it sends what waits

	return err
}

// targets are what a request is about.
func (rec *recorder) targets(r *http.Request, body []byte) []action.Target {
	if queue := r.PathValue("name"); queue != "" {
		return []action.Target{{Kind: action.Queue, ID: queue}}
	}

	var jobs struct {
		IDs []json.RawMessage `json:"ids"` // River UI takes numbers and strings
	}

	err := json.Unmarshal(body, &jobs)
	if err != nil || rec.name == action.OtherInRiverUI || len(jobs.IDs) == 0 || len(jobs.IDs) > maxJobs {
		return []action.Target{{Kind: action.Route, ID: r.Method + " " + r.URL.Path}}
	}

	targets := make([]action.Target, len(jobs.IDs))
	for i, id := range jobs.IDs {
		targets[i] = action.Target{Kind: action.Job, ID: strings.Trim(string(id), `"`)}
	}

	return targets
}

func jobsOf(targets []action.Target) (jobs []int64) {
	for _, t := range targets {
		if id, err := strconv.ParseInt(t.ID, 10, 64); err == nil && t.Kind == action.Job {
			jobs = append(jobs, id)
		}
	}

	return jobs
}

func ids(targets []action.Target) []string {
	list := make([]string, len(targets))
	for i, t := range targets {
		list[i] = string(t.Kind) + " " + t.ID
	}

	return list
}

// response remembers the status.
type response struct {
	http.ResponseWriter

	status int
}

// Unwrap is for [http.ResponseController].
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *response) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}

	r.ResponseWriter.WriteHeader(status)
}

func (r *response) Write(data []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}

	return r.ResponseWriter.Write(data) //nolint:wrapcheck // a writer's error is its caller's
}
