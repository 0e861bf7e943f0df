.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# No target depends on a file's time: the go command knows what is up to date.
.PHONY: help build run test browser rules openapi bench soak lint fmt generate verify outdated migrate docker clean ci go postgres proxies

# Debian has the proxies of tests there, and does not put it on the PATH of plain users.
export PATH := $(PATH):/usr/sbin

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LINT     = go tool -modfile=lint.mod golangci-lint

# The race detector needs a C compiler; where there is none, the tests still run. CI always has one. Packages that import
# sync are tested with it: it would find nothing in others, nor in programs that the tests of cmd/orders build and drive.
RACE     = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)
RACY     = go list -f '{{$$p := .ImportPath}}{{range .Imports}}{{if eq . "sync" "sync/atomic"}}{{$$p}}{{"\n"}}{{end}}{{end}}' ./... \
	| grep -v '^orders/cmd/orders$$' | grep . | sort -u

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: go ## build bin/orders
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o bin/orders ./cmd/orders

run: $(if $(DATABASE_URL),,postgres) build ## run everything in one process, with a private Postgres unless DATABASE_URL is set
	bin/orders dev

test: go proxies $(if $(ORDERS_TEST_DATABASE_URL),,postgres) ## run all tests, on a real Postgres (ORDERS_TEST_DATABASE_URL, or private servers)
	@racy=$$($(RACY)); others=$$(go list ./... | grep -vxF "$$racy"); status=0; \
	echo 'go test $(RACE), packages that import sync'; \
	go test $(RACE) -vet=off -timeout 15m $$racy || status=1; \
	echo 'go test, the others'; \
	go test -vet=off -timeout 15m $$others || status=1; \
	exit $$status

browser: go $(if $(ORDERS_TEST_DATABASE_URL),,postgres) ## test the pages in a real browser (needs Chromium)
	go test -tags browser -run Browser -count 1 -timeout 5m ./cmd/orders

rules: ## test the alert rules (needs promtool, of package prometheus)
	promtool check rules deploy/prometheus/rules.yml
	promtool test rules deploy/prometheus/rules_test.yml

openapi: build $(if $(ORDERS_POSTGRES_BIN),,postgres) ## lint openapi.yaml, and let generated clients use a server (needs Node)
	.ci/openapi

bench: build $(if $(ORDERS_POSTGRES_BIN),,postgres) ## compare the throughput with textbook River and a RabbitMQ recipe, as a table (a quarter of an hour; BENCH=--help lists the flags)
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -o bin/bench ./cmd/bench
	bin/bench $(BENCH)

soak: ## run ten minutes at 80 % of capacity, and sample the queue
	$(MAKE) bench BENCH='--soak 10m $(BENCH)'

lint: go ## report what .golangci.yml forbids, formatting included
	$(LINT) run ./...

fmt: go ## format the code
	$(LINT) fmt

generate: go ## regenerate openapi.yaml, and the tables of README and docs/settings.md
	go generate ./...

verify: go ## fail if generated files or go.mod are not up to date
	.ci/generated
	go mod tidy -diff
	go mod verify

outdated: go ## list the direct dependencies that have newer releases
	.ci/outdated

migrate: build ## migrate DATABASE_URL up
	@test -n "$$DATABASE_URL" || { echo 'make migrate: set DATABASE_URL to the database to migrate' >&2; exit 1; }
	bin/orders migrate up

docker: ## build the image
	docker build --build-arg VERSION=$(VERSION) --tag orders .

clean: ## remove what was built; the database in .local stays
	rm -rf bin

ci: ## everything that must pass
	.ci/run

go:
	@command -v go >/dev/null || { echo 'Go is missing: install 1.26 or newer from https://go.dev/dl and put it on your PATH' >&2; exit 1; }

postgres:
	@.ci/postgres

proxies:
	@.ci/proxies
