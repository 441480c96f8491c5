# The verbs of srcprom; `make` alone lists them. CI runs `make test`.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

GO       ?= go
FUZZTIME ?= 5s
KILLS    ?= 1000
# For example: make test-go TESTFLAGS='-run TestServer -v' TESTPKGS=./pkg/srcprom
TESTFLAGS ?=
TESTPKGS  ?= ./...
# For example: make bench-rules BENCHFLAGS='-scenarios=one,fifty@15s -seed=7'
BENCHFLAGS ?=

# What Go code is made of; a path is also the name that the program knows it by.
PROTOS := pkg/siteconfig/internal/configpb/config.proto pkg/internal/frontend/frontendpb/frontend.proto

VERSION    ?= $(or $(shell git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null | sed 's/^v//'),0.0.0-dev)
REVISION   ?= $(or $(shell git rev-parse HEAD 2>/dev/null),unknown)
BRANCH     ?= $(or $(shell git rev-parse --abbrev-ref HEAD 2>/dev/null),unknown)
BUILD_USER ?= make
# The commit's own time, so that the same commit builds the same binary.
BUILD_DATE ?= $(or $(shell git log -1 --date=format-local:%Y%m%d-%H:%M:%S --format=%cd 2>/dev/null),unknown)

VERSION_PKG := github.com/prometheus/common/version
LDFLAGS := -s -w \
	-X $(VERSION_PKG).Version=$(VERSION) \
	-X $(VERSION_PKG).Revision=$(REVISION) \
	-X $(VERSION_PKG).Branch=$(BRANCH) \
	-X $(VERSION_PKG).BuildUser=$(BUILD_USER) \
	-X $(VERSION_PKG).BuildDate=$(BUILD_DATE)

# One set of settings for all that is built, vetted and linted, so that they
# share one build cache. The race detector needs cgo, and a cache of its own.
STATIC := CGO_ENABLED=0 GOFLAGS="$(strip $(filter-out -buildvcs%,$(shell $(GO) env GOFLAGS)) -trimpath -buildvcs=false)"

.PHONY: help
help: ## List the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

# --- Use it

.PHONY: run
run: ## Build it, run it on examples/quickstart, say where to look
	@echo 'building bin/srcprom-lean; the first time takes several minutes'
	@$(MAKE) --no-print-directory build-lean
	@$(STATIC) $(GO) build -o bin/demo ./examples/demo
	@examples/quickstart/run.sh

.PHONY: build
build: ## Build bin/srcprom: static, stripped, with every service discovery
	@echo 'build bin/srcprom $(VERSION)'
	@$(STATIC) $(GO) build -ldflags '$(LDFLAGS)' -o bin/srcprom ./cmd/srcprom

.PHONY: build-lean
build-lean: ## Build bin/srcprom-lean: static, file, http, dns and kubernetes discovery
	@echo 'build bin/srcprom-lean $(VERSION)'
	@$(STATIC) $(GO) build -tags lean -ldflags '$(LDFLAGS)' -o bin/srcprom-lean ./cmd/srcprom

.PHONY: image
image: build ## Build the container image srcprom:VERSION (BASE_IMAGE=… for another base)
	mkdir -p bin/empty
	docker build $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) --tag srcprom:$(VERSION) .

# --- Change it

.PHONY: test
test: test-setup vet lint check-tidy fuzz test-go ## Everything: set up, vet, lint, fuzz briefly, all tests with -race

.PHONY: test-go
test-go: ## Run the tests alone, with what test-setup brought
	@echo '== test'
	@. tools/env.sh; cd bench; $(GO) test -race -shuffle=on ./...
	@. tools/env.sh; CGO_ENABLED=1 $(GO) test -race -shuffle=on -timeout 30m $(TESTFLAGS) $(TESTPKGS)

.PHONY: test-setup
test-setup: install-debian install-tools build build-lean ## Bring and build what the tests use, and say what that is
	@. tools/env.sh; tools/brought.sh

.PHONY: vet
vet: ## Run go vet on both builds
	@echo '== vet'
	@$(STATIC) $(GO) vet ./...
	@$(STATIC) $(GO) vet -tags lean ./cmd/srcprom
	@cd bench; $(STATIC) $(GO) vet ./...

.PHONY: lint
lint: .tools/bin/golangci-lint ## Run the linters of .golangci.yml
	@echo '== lint'
	@$(STATIC) .tools/bin/golangci-lint run --allow-parallel-runners ./...
	@cd bench; $(STATIC) ../.tools/bin/golangci-lint run --allow-parallel-runners --config ../.golangci.yml ./...

.PHONY: fmt
fmt: .tools/bin/golangci-lint ## Format all Go code
	@.tools/bin/golangci-lint fmt ./...
	@cd bench; ../.tools/bin/golangci-lint fmt --config ../.golangci.yml ./...

.PHONY: generate
generate: ## Write docs/flags.md from the tables of flags, and Go code from .proto files
	$(STATIC) $(GO) test -tags lean ./cmd/srcprom -run TestDocumentation -update
	$(STATIC) $(GO) run -C tools/protobuf . $(CURDIR) $(PROTOS)

.PHONY: check-tidy
check-tidy: ## Fail if `go mod tidy` would change anything
	@echo '== check-tidy'
	@for dir in . bench tools/protobuf; do (cd $$dir; $(GO) mod tidy -diff); done

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (5s)
	@echo '== fuzz'
	@$(STATIC) GO='$(GO)' tools/fuzz.sh $(FUZZTIME)

.PHONY: vuln
vuln: ## Ask the Go vulnerability database about what we build (needs the internet)
	@$(GO) build -C tools/lint -o $(CURDIR)/.tools/bin/govulncheck golang.org/x/vuln/cmd/govulncheck
	@.tools/bin/govulncheck ./...

.PHONY: bench
bench: build build-lean install-peers ## Measure side by side with Prometheus and Alertmanager
	@cd bench; $(GO) run . -bin ../bin -peers ../.tools/peers

.PHONY: bench-rules
bench-rules: build-lean install-peers ## Measure from sample to notification, side by side; takes 20 minutes
	@cd bench; $(GO) run ./phase -srcprom ../bin/srcprom-lean -peers ../.tools/peers $(BENCHFLAGS)

.PHONY: controls
controls: build-lean install-peers ## Show what Alertmanager breaks and srcprom keeps, promise by promise
	@cd bench; $(GO) run ./controls -bin ../bin -peers ../.tools/peers

.PHONY: soak
soak: build-lean ## Kill the server under load KILLS (1000) times, and compare with the model
	@. tools/env.sh; SRCPROM_KILLS=$(KILLS) SRCPROM_KILL_FIRST=$${KILL_FIRST:-$$RANDOM} $(GO) test -count=1 -timeout 0 $(TESTFLAGS) ./pkg/internal/e2e -run TestKillMatrix

.PHONY: clean
clean: ## Remove what was built; the tools in .tools stay
	rm -rf bin data

# --- Tools, each built from a module of its own so that go.mod stays clean

.PHONY: install-debian
install-debian: ## Bring a C compiler and Debian's clients and exporter, where this is Debian
	@tools/debian.sh

.PHONY: install-tools
install-tools: .tools/bin/promtool .tools/bin/amtool .tools/bin/golangci-lint ## Build promtool, amtool and the linter

.PHONY: install-peers
install-peers: .tools/peers/prometheus .tools/peers/alertmanager ## Build Prometheus and Alertmanager to measure against

.tools/bin/promtool .tools/peers/prometheus: tools/go.mod
	$(call build-tool,tools,github.com/prometheus/prometheus)
.tools/bin/amtool: tools/go.mod
	$(call build-tool,tools,github.com/prometheus/alertmanager)
.tools/peers/alertmanager: tools/alertmanager/go.mod
	$(call build-tool,tools/alertmanager,github.com/prometheus/alertmanager)
.tools/bin/golangci-lint: tools/lint/go.mod
	$(call build-tool,tools/lint,github.com/golangci/golangci-lint/v2)

# build-tool builds cmd/NAME of a module ($2) at the version that the go.mod in
# a directory ($1) names. The program reports that version.
define build-tool
	@version=$$($(GO) list -C $(1) -m -f '{{.Version}}' $(2)); \
	  echo "build $(@F) $$version"; \
	  $(STATIC) $(GO) build -C $(1) -ldflags "-s -w -X $(VERSION_PKG).Version=$$version" \
	    -o $(CURDIR)/$@ $(2)/cmd/$(@F)
	@touch $@
endef
