package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOutdatedListsNewerReleases runs .ci/outdated in a tree of its own, against a module proxy of its own.
func TestOutdatedListsNewerReleases(t *testing.T) {
	t.Parallel()

	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		module, version, _ := strings.Cut(r.URL.Path, "/@v/")

		switch {
		case version == "list":
			_, _ = w.Write([]byte("v1.0.0\n" + map[string]string{"/example.com/old": "v1.1.0\n"}[module]))
		case strings.HasSuffix(version, ".info"):
			_, _ = w.Write([]byte(`{"Version":"` + strings.TrimSuffix(version, ".info") + `"}`))
		default:
			_, _ = w.Write([]byte("module " + module[1:] + "\n"))
		}
	}))
	t.Cleanup(proxy.Close)

	const unknown = ": the module proxy cannot be reached, so newer releases are not known.\n"

	if got := outdated(t, proxy.URL); !strings.Contains(got, "\ngo.mod:\n  example.com/old v1.0.0 -> v1.1.0\nlint.mod: up to date\n") {
		t.Errorf("with a newer release it prints:%s", got)
	}

	got := outdated(t, "http://127.0.0.1:1")
	if !strings.Contains(got, "\ngo.mod"+unknown) || strings.Contains(got, "up to date") {
		t.Errorf("without a proxy it prints:%s", got)
	}

	if !strings.Contains(got, "the npm registry cannot be reached") && !strings.Contains(got, "npm is missing") {
		t.Errorf("without an npm registry it prints:%s", got)
	}
}

// outdated is what .ci/outdated prints. It must not fail.
func outdated(t *testing.T, proxy string) string {
	t.Helper()

	root := t.TempDir()
	script, err := os.ReadFile("../../.ci/outdated")

	for name, text := range map[string]string{
		".ci/outdated":                    string(script),
		"go.mod":                          "module main\ngo 1.26\nrequire example.com/old v1.0.0\n",
		"lint.mod":                        "module main\ngo 1.26\nrequire example.com/new v1.0.0\n",
		"clients/go/go.mod":               "module client\ngo 1.26\nrequire example.com/new v1.0.0\n",
		"clients/typescript/package.json": `{"devDependencies": {"old": "1.0.0"}}`,
	} {
		path := filepath.Join(root, name)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o700)
		}

		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o700)
		}
	}

	if err != nil {
		t.Fatal(err)
	}

	command := exec.CommandContext(t.Context(), filepath.Join(root, ".ci/outdated"))
	command.Env = append(os.Environ(), "GOPROXY="+proxy, "GOMODCACHE="+filepath.Join(root, "cache"), "GOSUMDB=off", "GOFLAGS=-mod=mod -modcacherw",
		"npm_config_registry=http://127.0.0.1:1", "npm_config_fetch_retries=0")

	printed, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("run .ci/outdated: %v\n%s", err, printed)
	}

	return "\n" + string(printed)
}
