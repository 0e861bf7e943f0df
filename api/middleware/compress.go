package middleware

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
)

// compressFrom is the length from which a response is compressed. One order is shorter:
// it fits into two packets, and compressing it would cost more than sending it.
const compressFrom = 2 << 10

// gzipped makes long responses gzip for clients that accept it. The fastest level makes
// 125 kB of orders 9 kB; better levels cost Postgres the processor for little.
var gzipped, errGzip = gzhttp.NewWrapper(gzhttp.MinSize(compressFrom), gzhttp.CompressionLevel(gzip.BestSpeed), gzhttp.EnableZstd(false))

// Gzip compresses the responses of a handler.
func Gzip(next http.Handler) http.Handler {
	if errGzip != nil {
		return next // not with the options above, which a test uses
	}

	return gzipped(next)
}

// Compress compresses what operations read. What they write is short, and streams must
// not be held back.
func Compress(ctx huma.Context, next func(huma.Context)) {
	op := ctx.Operation()
	r, w := humago.Unwrap(ctx)

	if op.Method != http.MethodGet || !offersJSON(op) {
		next(ctx)

		return
	}

	if r.Header.Get("Accept-Encoding") == "" {
		w.Header().Add("Vary", "Accept-Encoding")
		next(ctx)

		return
	}

	Gzip(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next(humago.NewContext(op, r.WithContext(ctx.Context()), w)) //nolint:contextcheck // it has more than the request's
	})).ServeHTTP(w, r)
}
