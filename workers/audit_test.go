package workers_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"orders/db/audit"
)

// The leader audits periodically, and reports what it finds in the log and in audit_findings.
func TestAuditRunsByItself(t *testing.T) {
	t.Parallel()

	b := setup(t)

	var log auditLog

	b.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	b.exec(`UPDATE products SET available = available + 1`)
	b.start()
	b.eventually(1, `SELECT count(*) FROM audit_runs WHERE mode = 'incremental' AND violations = 1`)
	b.eventually(1, `SELECT count(*) FROM river_job WHERE kind = 'audit' AND state = 'completed'`)

	open, err := audit.OpenFindings(t.Context(), b.pool)
	if err != nil || open["stock-balance"] != 1 {
		t.Errorf("open findings: %v, %v", open, err)
	}

	text := log.String()
	if !strings.Contains(text, "level=WARN") || !strings.Contains(text, "invariant=stock-balance") || strings.Contains(text, "tea") {
		t.Errorf("log:\n%s", text)
	}
}

type auditLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *auditLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.text.Write(p)
}

func (l *auditLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.text.String()
}
