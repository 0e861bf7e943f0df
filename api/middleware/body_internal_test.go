package middleware

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// reading is a server that reads bodies, and says how long they were.
func reading(t *testing.T, b *Bodies) string {
	t.Helper()

	op := &huma.Operation{RequestBody: &huma.RequestBody{}, MaxBodyBytes: 1 << 10}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.Read(humago.NewContext(op, r, w), func(huma.Context) {
			body, err := io.ReadAll(r.Body)
			fmt.Fprint(w, len(body), err)
		})
	}))
	t.Cleanup(server.Close)

	return strings.TrimPrefix(server.URL, "http://")
}

// slow begins to send a body. When it returns, the server waits for the rest.
func slow(t *testing.T, address string) net.Conn {
	t.Helper()

	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { conn.Close() })

	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")

	// The interim response is sent at the first read of the body.
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}

	return conn
}

func status(t *testing.T, conn net.Conn) int {
	t.Helper()

	code, _ := answer(t, conn)

	return code
}

func answer(t *testing.T, conn net.Conn) (status int, body string) {
	t.Helper()

	reader := bufio.NewReader(conn)
	if head, err := reader.Peek(2); err == nil && string(head) == "\r\n" {
		reader.Discard(2) // the end of the interim response
	}

	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()

	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}

	return response.StatusCode, string(text)
}

// While others send slowly, who sends at once is served, and who does not has little time.
func TestSlowSendersDoNotLockOthersOut(t *testing.T) {
	t.Parallel()

	b := NewBodies()
	b.patience, b.maxSending = time.Minute, 3
	address := reading(t, b)

	patient := make([]net.Conn, b.maxSending)
	for i := range patient {
		patient[i] = slow(t, address)
	}

	for range 20 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address, strings.NewReader("12345"))
		if err != nil {
			t.Fatal(err)
		}

		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}

		response.Body.Close()

		if response.StatusCode != http.StatusOK {
			t.Errorf("status %d for a body that is there", response.StatusCode)
		}
	}

	if code, body := answer(t, slow(t, address)); code != http.StatusServiceUnavailable || !strings.Contains(body, `"/problems/in-flight-limit"`) {
		t.Errorf("%d %s for one slow sender too many", code, body)
	}

	for _, conn := range patient {
		fmt.Fprint(conn, "12345")

		if got := status(t, conn); got != http.StatusOK {
			t.Errorf("status %d for one who had the time", got)
		}
	}
}

// A longer body has more time, and a body that stops has not all of it.
func TestBodiesHaveALeastRate(t *testing.T) {
	t.Parallel()

	b := NewBodies()
	b.patience, b.leastRate = 50*time.Millisecond, 1<<30
	address := reading(t, b)

	if got := status(t, slow(t, address)); got != http.StatusRequestTimeout {
		t.Errorf("status %d for a body that does not come", got)
	}

	b = NewBodies()
	b.patience, b.leastRate = 0, 1 // 5 seconds for 5 bytes
	conn := slow(t, reading(t, b))
	fmt.Fprint(conn, "12345")

	if got := status(t, conn); got != http.StatusOK {
		t.Errorf("status %d for a body at the least rate", got)
	}
}
