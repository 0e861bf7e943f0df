package middleware

import (
	"net/http"
	"runtime/debug"

	"orders/api/problem"
	"orders/order"
)

// RecoverPanics responds to a panic as to any other internal error. If a part of the
// response is already sent, it cuts the connection: nothing else tells the client.
func RecoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer recoverPanic(w, r)

		next.ServeHTTP(w, r)
	})
}

func recoverPanic(w http.ResponseWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}

	if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares its identity, too
		panic(cause) //nolint:forbidigo // net/http's way to cut a connection
	}

	log := problem.RequestInfoOf(r.Context()).Logger()
	log.ErrorContext(r.Context(), "panic", "cause", cause, "stack", string(debug.Stack()))

	if response, ok := w.(*recorder); ok && response.status != 0 {
		panic(http.ErrAbortHandler) //nolint:forbidigo // as above
	}

	problem.New(r.Context(), order.Internal, "").Write(w)
}
