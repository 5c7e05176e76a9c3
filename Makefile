# Everything this repository does has a target here; `make help` lists them.
# Two are enough to start: `make run` shows the product, `make test` proves it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

GO ?= go
NPM ?= npm
VERSION ?= $(or $(shell git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//'),0.1.0-dev)
LDFLAGS := -s -w -X pipedai/internal/buildinfo.version=$(VERSION)
BUILD := $(GO) build -trimpath -ldflags '$(LDFLAGS)'

GOLANGCI_VERSION := v2.15.0
GOLANGCI := .cache/bin/golangci-lint-$(GOLANGCI_VERSION)

PROGRAMS := pipeweave pipedai-orchestrator pipedai-worker
WEB_SOURCES := $(shell find web -name node_modules -prune -o -name dist -prune -o -type f ! -name '*.go' ! -name '*.md' -print 2>/dev/null)

.PHONY: help build release man run demo test test-long screenshots race lint fmt generate verify web e2e bench bench-go cover clean setup servers test-systemd test-wine test-go test-web lint-go lint-web

help: ## show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z][a-z0-9-]*:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nStart with: make run     Settings: PORT, DASHBOARD_PORT, INPUT=path.pdf (run, demo), VERSION (build)\n'

## --- building ---------------------------------------------------------------

build: web ## build the pages and the three programs into bin/
	@mkdir -p bin
	$(BUILD) -o bin/pipeweave ./cmd/pipeweave
	$(BUILD) -o bin/pipedai-orchestrator ./cmd/pipedai-orchestrator
	CGO_ENABLED=0 $(BUILD) -o bin/pipedai-worker ./cmd/pipedai-worker
	CGO_ENABLED=0 $(BUILD) -o bin/pdf-processor ./examples/pdf-processor
	@cp examples/pdf-processor/pdf-processor.yaml bin/pdf-processor.yaml

# One file per program and platform, named as `pipeweave releases publish dist`
# takes them. The same sources make the same bytes.
RELEASE_PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64

release: web ## cross-build the three programs into dist/ for publishing (RELEASE_PLATFORMS)
	@scripts/release.sh '$(VERSION)' '$(LDFLAGS)' '$(PROGRAMS)' '$(RELEASE_PLATFORMS)'
	@echo "Next: bin/pipeweave releases publish dist --key release.key"

web: web/dist/.stamp ## build the pages, when their sources changed

web/dist/.stamp: web/node_modules/.stamp $(WEB_SOURCES)
	cd web && $(NPM) run build
	@touch $@

web/node_modules/.stamp: web/package-lock.json
	cd web && $(NPM) ci --ignore-scripts --no-audit --no-fund
	@touch $@

generate: ## renew generated files
	$(GO) generate ./...

man: ## write manual pages of the three programs into bin/man/man1
	@set -e; for program in $(PROGRAMS); do $(GO) run ./cmd/$$program reference --man bin/man/man1; done
	@echo "read one: man -l bin/man/man1/pipedai-orchestrator.1"

fmt: ## format Go and web sources
	gofmt -w $$(git ls-files '*.go')
	cd web && $(NPM) run format

clean: ## remove what was built; `make clean ALL=1` also removes state and caches
	rm -rf bin dist cover.out web/dist/.stamp
	find web/dist -type f ! -name .gitkeep -delete
	find web/dist -mindepth 1 -type d -empty -delete
	$(if $(ALL),rm -rf .run .cache web/node_modules)

## --- running ----------------------------------------------------------------

run: ## start everything, run a pipeline on a document, keep going until Ctrl-C
	@scripts/setup.sh run
	@$(MAKE) build
	@scripts/run.sh run

demo: ## the same, but stop after the result; exit 0 only if it is right
	@scripts/setup.sh run
	@$(MAKE) build
	@scripts/run.sh demo

setup: ## install what the tests need (PostgreSQL server, Chromium)
	@scripts/setup.sh test

servers: ## build the S3 and GCS servers of the tests into .cache/bin
	@$(GO) test -count=1 -timeout 20m -run '^TestStorageServers$$' ./internal/testkit

## --- checking ---------------------------------------------------------------

# Both halves mostly wait, so they run beside each other: what the pages say is
# shown as it comes, the Go tests keep theirs in the pipe until the pages are
# done. Among the Go tests those over real programs take longest and begin first.
test: setup web servers ## run every test: pages, Go with vet and the race detector, real programs
	@$(MAKE) test-go PKGS="./e2e ./..." RACE=-race 2>&1 | { status=0; $(MAKE) test-web || status=$$?; cat; exit $$status; }

PKGS ?= ./...
RACE ?=
# Tests of one package at once. Most wait for processes, not for a processor.
PARALLEL ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
WITH_BROWSER := CHROMIUM="$$(scripts/setup.sh chromium)"

# The summary is the last thing printed: "N passed, N failed", and before it
# what took longest. Programs with the race detector wait for a second before
# they end unless told otherwise, and the tests end thousands of them.
test-go:
	@$(WITH_BROWSER) GORACE=atexit_sleep_ms=10 $(GO) test -json -vet=all $(RACE) -parallel $(PARALLEL) -timeout 40m $(PKGS) | $(GO) run ./tools/testsum

# The promises about kills and faults, as often as they are claimed; make test
# has the same loops, each step and kind of fault a few times.
test-long: setup web ## kill and disturb the real programs some thousand times (half an hour)
	@PIPEDAI_UPGRADES=200 PIPEDAI_SELF_KILLS=40 PIPEDAI_FAULTS=1000 PIPEWEAVE_CHAOS_RUNS=2000 \
		$(MAKE) test-go PKGS="-count=1 -run '^(TestUpgrade_kills|TestSelfUpgrade_kills|TestHost_faults|TestChaos_)' ./e2e" RACE=-race

# Types, style and units, then both pages in a browser against servers that
# hold everything in memory; e2e has the real programs.
test-web: web
	cd web && $(NPM) run check
	$(WITH_BROWSER) $(NPM) --prefix web run e2e

# The pages are real, what they show is invented; web/e2e/pictures.mjs says why.
screenshots: setup web ## take the pictures of the documentation, in both themes, into docs/images
	$(WITH_BROWSER) node web/e2e/pictures.mjs docs/images

# A root of Debian is made once and kept in .cache; see scripts/systemd-root.sh.
test-systemd: ## boot a real systemd and try the service in it (needs root, Linux)
	@scripts/setup.sh systemd
	$(GO) vet -tags systemd ./e2e/systemd
	@root=$$(scripts/systemd-root.sh) && SYSTEMD_ROOT="$$root" $(GO) test -tags systemd -json -count=1 -timeout 10m ./e2e/systemd | $(GO) run ./tools/testsum

test-wine: ## try the programs for Windows under Wine (needs wine and gcc-mingw-w64-x86-64)
	$(GO) vet -tags wine ./e2e/wine
	@$(GO) test -tags wine -json -count=1 -timeout 10m ./e2e/wine | $(GO) run ./tools/testsum

race: web ## run the Go tests with the race detector, without e2e
	@$(MAKE) test-go PKGS="$$($(GO) list ./... | grep -v '/e2e$$' | tr '\n' ' ')" RACE=-race

e2e: setup web ## run the tests over the real programs, browser included
	@$(MAKE) test-go PKGS="-count=1 ./e2e/..."

lint: lint-go lint-web ## run the linters

lint-go: $(GOLANGCI)
	$(GOLANGCI) run --allow-parallel-runners ./...

lint-web: web/node_modules/.stamp
	cd web && node_modules/.bin/biome check .
	cd e2e && ../web/node_modules/.bin/biome check .

$(GOLANGCI):
	@mkdir -p .cache/bin
	GOBIN="$$PWD/.cache/bin" GOFLAGS= $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv .cache/bin/golangci-lint $@

verify: ## check tidiness: modules, formatting, layers, documents, cross-compiling, weight
	@scripts/verify.sh

# BENCH goes to the program: make bench BENCH='-only push,pull -store sqlite'
bench: ## measure engine and daemon as processes, beside what the machine can do; QUICK=1 takes a short look
	@mkdir -p bin
	$(BUILD) -o bin/pipeweave ./cmd/pipeweave
	$(BUILD) -o bin/pipedai-orchestrator ./cmd/pipedai-orchestrator
	$(GO) build -o bin/bench ./tools/bench
	bin/bench $(if $(QUICK),-quick) $(BENCH)

bench-go: ## run the Go benchmarks of single packages and print a table
	@scripts/bench.sh

cover: web ## write cover.out and print how much of each package its tests reach
	@scripts/cover.sh
