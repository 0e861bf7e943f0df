package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// The deployment is read with the library that docker compose uses, so that it is checked without Docker.

func TestComposeServices(t *testing.T) {
	t.Parallel()

	project := loadCompose(t)
	if got, want := project.ServiceNames(), []string{"migrate", "postgres", "serve", "work"}; !slices.Equal(got, want) {
		t.Fatalf("services: got %v, want %v", got, want)
	}

	// Nothing starts before what it needs is ready, not merely running.
	for service, want := range map[string]types.DependsOnConfig{
		"migrate": {"postgres": {Condition: types.ServiceConditionHealthy, Required: true}},
		"serve":   {"migrate": {Condition: types.ServiceConditionCompletedSuccessfully, Required: true}},
		"work":    {"migrate": {Condition: types.ServiceConditionCompletedSuccessfully, Required: true}},
	} {
		got := project.Services[service].DependsOn
		if len(got) != len(want) {
			t.Errorf("%s depends on %v, want %v", service, got, want)
		}
		for name, condition := range want {
			if got[name].Condition != condition.Condition || !got[name].Required {
				t.Errorf("%s depends on %s: got %+v, want %+v", service, name, got[name], condition)
			}
		}
	}

	for _, name := range []string{"postgres", "serve"} {
		if check := project.Services[name].HealthCheck; check == nil || check.Disable || len(check.Test) < 2 {
			t.Errorf("%s has no health check", name)
		}
	}
	if got := project.Services["migrate"].Restart; got != types.RestartPolicyNo {
		t.Errorf("migrate restarts %q: it runs once", got)
	}
}

func TestComposeRunsOneLockedDownImage(t *testing.T) {
	t.Parallel()

	project := loadCompose(t)
	subcommands := []string{"serve", "work", "migrate", "health"}

	for _, name := range []string{"migrate", "serve", "work"} {
		service := project.Services[name]
		if service.Image != "orders" || service.Build == nil || service.Build.Dockerfile != "Dockerfile" {
			t.Errorf("%s runs image %q, built from %+v: want the one that the Dockerfile builds", name, service.Image, service.Build)
		}
		if len(service.Entrypoint) != 0 {
			t.Errorf("%s has an entrypoint of its own: %v", name, service.Entrypoint)
		}
		if len(service.Command) == 0 || !slices.Contains(subcommands, service.Command[0]) {
			t.Errorf("%s runs %v, which is no subcommand", name, service.Command)
		}
		if !service.ReadOnly || service.Privileged || service.User != "" {
			t.Errorf("%s: read-only %t, privileged %t, user %q", name, service.ReadOnly, service.Privileged, service.User)
		}
		if !slices.Equal(service.CapDrop, []string{"ALL"}) || len(service.CapAdd) != 0 {
			t.Errorf("%s drops capabilities %v and adds %v", name, service.CapDrop, service.CapAdd)
		}
		if !slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may gain privileges: %v", name, service.SecurityOpt)
		}
		if url := service.Environment["DATABASE_URL"]; url == nil || !strings.Contains(*url, "@postgres:5432/") {
			t.Errorf("%s does not use the postgres service", name)
		}
	}

	if test := project.Services["serve"].HealthCheck.Test; !slices.Equal(test, []string{"CMD", "/orders", "health"}) {
		t.Errorf("serve's health check: %v", test)
	}
}

// serve speaks plain HTTP, and Postgres has a known password: neither may be reached from other hosts.
func TestComposePublishesOnLoopbackOnly(t *testing.T) {
	t.Parallel()

	for name, service := range monitored(t).Services {
		if !slices.Contains([]string{"serve", "prometheus", "grafana"}, name) && len(service.Ports) != 0 {
			t.Errorf("%s publishes %v", name, service.Ports)
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes port %s on %q, want 127.0.0.1", name, port.Published, port.HostIP)
			}
		}
		if service.NetworkMode == "host" {
			t.Errorf("%s uses the host's network", name)
		}
	}
}

// There are two of each that may be many, so that one may be stopped.
func TestComposeRunsTwoOfEach(t *testing.T) {
	t.Parallel()

	services := loadCompose(t).Services

	for _, name := range []string{"serve", "work"} {
		if deploy := services[name].Deploy; deploy == nil || deploy.Replicas == nil || *deploy.Replicas != 2 {
			t.Errorf("%s: %+v, want two", name, deploy)
		}
	}

	if ports := services["serve"].Ports; len(ports) != 1 || ports[0].Published != "8080-8081" || ports[0].Target != 8080 {
		t.Errorf("serve publishes %+v: two cannot have the same port", ports)
	}
}

// Profile monitoring adds Prometheus, which finds serve and work and has a token, and Grafana, which shows it.
func TestComposeMonitoring(t *testing.T) {
	t.Parallel()

	project := monitored(t)
	if got, want := project.ServiceNames(), []string{"grafana", "migrate", "postgres", "prometheus", "serve", "work"}; !slices.Equal(got, want) {
		t.Fatalf("services: got %v, want %v", got, want)
	}

	prometheus := readRootFile(t, "deploy/prometheus/prometheus.yml")
	if secret := project.Secrets["operator-token"]; secret.Environment != "ORDERS_OPERATOR_TOKEN" ||
		len(project.Services["prometheus"].Secrets) != 1 || !strings.Contains(prometheus, "/run/secrets/operator-token") {
		t.Errorf("Prometheus has no token: %+v", secret)
	}

	if listen := project.Services["work"].Environment["ORDERS_WORK_LISTEN"]; listen == nil || *listen != "0.0.0.0:8081" ||
		!strings.Contains(prometheus, "[work], type: A, port: 8081") || !strings.Contains(prometheus, "[serve], type: A, port: 8080") {
		t.Error("Prometheus does not scrape where serve and work listen")
	}

	for _, name := range []string{"prometheus", "grafana"} {
		for _, volume := range project.Services[name].Volumes {
			if _, err := os.Stat(volume.Source); volume.Type == types.VolumeTypeBind && (err != nil || !volume.ReadOnly) {
				t.Errorf("%s mounts %s: %v, read-only %t", name, volume.Source, err, volume.ReadOnly)
			}
		}
	}
}

func monitored(t *testing.T) *types.Project {
	t.Helper()

	project, err := loadCompose(t).WithProfiles([]string{"monitoring"})
	if err != nil {
		t.Fatal(err)
	}

	return project
}

// One password, given once, reaches the server and all its clients.
func TestComposePassword(t *testing.T) {
	t.Parallel()

	for want, env := range map[string][]string{
		"orders":     nil, // a default, so that `docker compose up` works at once
		"p@ss/w:rd?": {"POSTGRES_PASSWORD=p@ss/w:rd?"},
	} {
		services := loadCompose(t, env...).Services
		for service, variable := range map[string]string{
			"postgres": "POSTGRES_PASSWORD", "migrate": "PGPASSWORD", "serve": "PGPASSWORD", "work": "PGPASSWORD",
		} {
			if got := services[service].Environment[variable]; got == nil || *got != want {
				t.Errorf("%s: %s is not %q", service, variable, want)
			}
		}
	}
}

func TestComposeDockerfile(t *testing.T) {
	t.Parallel()

	stages := strings.Split("\n"+readRootFile(t, "Dockerfile"), "\nFROM ")[1:]
	if len(stages) != 2 {
		t.Fatalf("%d stages, want one that builds and one that runs", len(stages))
	}
	build, final := stages[0], stages[1]

	goMod := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readRootFile(t, "go.mod"))
	if goMod == nil || !strings.HasPrefix(build, "golang:"+goMod[1]+" ") {
		t.Errorf("builds with %q, but go.mod says %v", strings.Fields(build)[0], goMod)
	}
	if user := regexp.MustCompile(`(?m)^USER (\d+)`).FindStringSubmatch(final); user == nil || user[1] == "0" {
		t.Errorf("the image runs as root")
	}
	for _, line := range []string{`ENTRYPOINT ["/orders"]`, `CMD ["serve"]`} {
		if !strings.Contains(final, "\n"+line+"\n") {
			t.Errorf("the image lacks %s", line)
		}
	}
}

// loadCompose reads compose.yaml as docker compose would in an environment of env alone.
func loadCompose(t *testing.T, env ...string) *types.Project {
	t.Helper()

	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "compose.yaml")}, cli.WithEnv(append(env, "ORDERS_OPERATOR_TOKEN=one-of-32-characters-or-even-more")))
	if err != nil {
		t.Fatalf("compose options: %v", err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatalf("load compose.yaml: %v", err)
	}

	return project
}

const root = "../.." // of the repository, seen from this package

func readRootFile(t *testing.T, name string) string {
	t.Helper()

	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}

	return string(text)
}
