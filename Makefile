# Every job a developer, a member, an operator or CI runs, one target each.
SHELL      := /bin/bash
GO         ?= go
BIN        := bin/concordat
STATICCHECK_VERSION := v0.8.2
GOVULNCHECK_VERSION := v1.9.0
FUZZTIME   ?= 10s
export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: flip help build dev test unit lint race fuzz bench vuln interop compat generate need-go clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

need-go:
	@command -v $(GO) >/dev/null || { echo "make: Go 1.26 or newer is needed: install it from https://go.dev/dl and put it on PATH" >&2; exit 1; }

needs: need-go
	@bash tests/run/needs

build: need-go ## build bin/concordat
	@$(GO) build -trimpath -o $(BIN) ./node/cmd/concordat

dev: build ## run a one-node consortium with the banking app on it, until interrupted
	@$(BIN) dev $(DEV_ARGS)

test: needs lint unit race mutations compat interop vuln ## everything that must pass before a change lands

unit: need-go ## unit, simulation, transcript and end-to-end tests
	$(GO) test ./...

lint: need-go ## gofmt, go vet, staticcheck; import rules are a test in tests/lint
	@bad=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$bad" ] || { echo "gofmt these: $$bad" >&2; exit 1; }
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION) ./...

race: need-go ## the concurrent packages under the race detector (needs a C compiler)
	@bash tests/run/race

flip: need-go ## change every byte of a recorded ledger, one at a time; the audit must notice each (slow)
	FLIP=all $(GO) test -timeout 3h -run 'Flipped|LastSignature' ./ledger/audit

mutations: need-go ## bugs put into the consensus core on purpose: the simulator must catch each
	$(GO) test ./tests/sim -run TestMutations -mutations -count=1

fuzz: need-go ## every fuzz target for FUZZTIME (default 10s) each
	@bash tests/run/fuzz $(FUZZTIME)

bench: build ## ratios against a bare TLS echo, taken in one run
	@$(GO) run ./tests/bench $(BENCH_ARGS)

vuln: need-go ## known vulnerabilities in what the binary links
	@bash tests/run/vuln $(GOVULNCHECK_VERSION)

interop: build ## the public Python package ccf judges a ledger and receipts written here
	@bash tests/run/interop

compat: build ## replay answers recorded from a running CCF; fails when a number falls
	@$(GO) run ./tests/compat $(COMPAT_ARGS)

generate: need-go ## regenerate what is generated
	$(GO) generate ./...

clean: ## remove what the targets above leave behind
	rm -rf bin workspace .cache
