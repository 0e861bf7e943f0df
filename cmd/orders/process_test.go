package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orders/db"
	"orders/db/dbtest"
	"orders/db/local"
	"orders/db/schema"
)

var binDir string

func TestMain(m *testing.M) {
	code := dbtest.Run(m, schema.Up)

	os.RemoveAll(binDir)
	os.Exit(code)
}

var makeBinDir = sync.OnceValues(func() (string, error) {
	var err error
	binDir, err = os.MkdirTemp("", "orders-bin-")

	return binDir, err
})

// binary builds the program once for all tests.
var binary = sync.OnceValues(func() (string, error) { return build("orders") })

// build builds the program under a name in binDir.
func build(name string, flags ...string) (string, error) {
	dir, err := makeBinDir()
	if err != nil {
		return "", err
	}

	path := filepath.Join(dir, name)

	out, err := exec.CommandContext(context.Background(), "go", slices.Concat([]string{"build", "-o", path}, flags, []string{"."})...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}

	return path, nil
}

// A process is the real program, running.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	output *lockedBuffer
	done   chan struct{} // closed when it has ended
	url    string        // of its API
}

// start runs the program. Its environment holds the settings, PATH, HOME and the way to Postgres.
func start(t *testing.T, settings map[string]string, args ...string) *process {
	t.Helper()

	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}

	return startProgram(t, path, settings, args...)
}

// startProgram is [start] for another build of the program.
func startProgram(t *testing.T, path string, settings map[string]string, args ...string) *process {
	t.Helper()

	p := &process{
		t: t, output: &lockedBuffer{}, done: make(chan struct{}), url: "http://" + settings["ORDERS_LISTEN"],
		cmd: exec.CommandContext(context.WithoutCancel(t.Context()), path, args...),
	}
	p.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "ORDERS_POSTGRES_BIN=" + os.Getenv("ORDERS_POSTGRES_BIN"),
		"ORDERS_INSECURE=true", // a setting may say otherwise
	}

	for name, value := range settings {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}

	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output

	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}

	go func() {
		p.cmd.Wait()
		close(p.done)
	}()

	t.Cleanup(func() {
		p.kill()

		if t.Failed() {
			t.Logf("%v\n%s", args, p.output)
		}
	})

	return p
}

// ready waits until the process serves.
func (p *process) ready() *process {
	p.t.Helper()

	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+"/readyz", http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}

	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-p.done:
			p.t.Fatalf("it has ended: %s", p.output)
		default:
		}

		if response, err := client.Do(request); err == nil {
			response.Body.Close()

			if response.StatusCode == http.StatusOK {
				return p
			}
		}
	}

	p.t.Fatalf("it is not ready after a minute: %s", p.output)

	return nil
}

// kill is kill -9.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// ended waits for the process and returns its exit code.
func (p *process) ended() int {
	p.t.Helper()

	select {
	case <-p.done:
	case <-time.After(time.Minute):
		p.t.Fatalf("it has not ended after a minute: %s", p.output)
	}

	return p.cmd.ProcessState.ExitCode()
}

// stop asks the process to end, as Ctrl-C and orchestrators do, and returns its exit code.
func (p *process) stop(signal syscall.Signal) int {
	p.t.Helper()

	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}

	return p.ended()
}

// placed is what the tests read of an order that the API returns.
type placed struct {
	ID string `json:"id"`
}

// place sends one POST /orders.
func (p *process) place(key, body string) (o placed, status int, err error) {
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.url+"/orders", strings.NewReader(body))
	if err != nil {
		return o, 0, err
	}

	request.Header.Set("Content-Type", "application/json")

	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}

	response, err := client.Do(request)
	if err != nil {
		return o, 0, err
	}
	defer response.Body.Close()

	data, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusCreated {
		return o, response.StatusCode, err
	}

	err = json.Unmarshal(data, &o)

	return o, response.StatusCode, err
}

var client = &http.Client{
	Timeout:   20 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 64},
}

// address is a loopback address that is free.
func address(t *testing.T) string {
	t.Helper()

	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	return listener.Addr().String()
}

// devSettings are the settings of a `dev` of its own. Its Postgres is stopped at the
// end of the test, even if the program was killed.
func devSettings(t *testing.T) map[string]string {
	t.Helper()

	dir, err := os.MkdirTemp("", "orders-dev-") //nolint:usetesting // the server's user may not enter t.TempDir
	if err != nil {
		t.Fatal(err)
	}

	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()

		if server, err := local.Start(ctx, local.Options{Dir: filepath.Join(dir, "postgres")}); err == nil {
			server.Stop(ctx)
		}

		os.RemoveAll(dir)
	})

	return map[string]string{"ORDERS_LISTEN": address(t), "ORDERS_DATA_DIR": dir}
}

// devPool connects to the private Postgres of a `dev`.
func devPool(t *testing.T, settings map[string]string) *pgxpool.Pool {
	t.Helper()

	pool, err := db.Open(t.Context(), "postgres://orders@/orders?port=5432&host="+filepath.Join(settings["ORDERS_DATA_DIR"], "postgres", "run"))
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(pool.Close)

	return pool
}

// lockedBuffer collects what a process prints.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.buffer.Write(data)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.buffer.String()
}

// eventually waits for sql to return want.
func eventually(t *testing.T, pool *pgxpool.Pool, want int, sql string) {
	t.Helper()

	got := -1

	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err := pool.QueryRow(t.Context(), sql).Scan(&got); err == nil && got == want {
			return
		}
	}

	t.Fatalf("%s = %d, want %d", sql, got, want)
}
