# databricks-operator. `make help` explains every target.
#
# Needs Go, git and make. Everything else is built into bin/ when it is first
# used, at the versions in hack/tools/go.mod and hack/controlplane/go.mod.

SHELL         := bash
.SHELLFLAGS   := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS     += --no-builtin-rules --no-print-directory

# Variables for the command line.
IMG            ?= ghcr.io/databricks-operator/databricks-operator:$(VERSION)
PLATFORMS      ?= linux/amd64,linux/arm64
CONTAINER_TOOL ?= docker
OVERLAY        ?= default
KUBECTL        ?= $(or $(shell command -v kubectl),$(CURDIR)/bin/k8s/kubectl)
PKG            ?= ./...
RUN            ?=
KEEP           ?=
SHORT          ?=
DOC            ?=
COVERAGE       ?= 90
SEED           ?=

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BIN     := $(CURDIR)/bin
CHART   := charts/databricks-operator
IMAGE_IN_CONFIG = $(shell sed -n 's/^  newName: //p' config/manager/kustomization.yaml):$(shell sed -n 's/^  newTag: //p' config/manager/kustomization.yaml)

# The control plane of the tests and the demo; a value from the environment is kept.
export KUBEBUILDER_ASSETS ?= $(BIN)/k8s
# Building works in a checkout that another user owns.
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)

# The race detector needs a C compiler, which a bare machine may lack.
RACE := $(if $(shell command -v "$$(go env CC)"),-race)
# Modules beside the operator's own.
MODULES   := $(patsubst %/go.mod,%,$(wildcard hack/*/go.mod test/*/go.mod))
# The modules that `make test` tests; test/gitops-e2e needs programs that only e2e-gitops builds.
TESTED    := $(filter-out test/gitops-e2e,$(MODULES))
# The packages of pure functions, whose own tests must cover COVERAGE percent of their statements.
COVERED   := ./internal/plan ./internal/report ./internal/drift ./internal/diff ./internal/managed ./internal/clusterpolicy ./internal/instancepool
# The generated files, which are committed.
GENERATED := 'api/**/zz_generated.*.go' config/crd/bases config/rbac/role.yaml config/namespaced/watched/role.yaml config/admission/preview.yaml \
	dist/install.yaml $(CHART)/Chart.yaml $(CHART)/files examples/argocd/argocd-cm.yaml docs/api.md docs/flags.md docs/kubectl-dbc.md

# The tests of the controllers that `make test` runs with the race detector: many objects,
# several credentials and several operators.
FLEETS   := Fleet|Shared|Shards|Failover|OrphansOf|OneClusterFails
# What measures latencies; `make reliability` runs it alone.
MEASURED := ^TestBlastRadius$$

# The linter of `make verify` runs vet.
GO_TEST  := go test -vet=off -shuffle=on -parallel=6 -timeout=40m -skip '$(MEASURED)'
GO_BUILD := CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)'

##@ Getting started

.PHONY: help
help: ## Explain every target
	@printf '\n\033[1mdatabricks-operator\033[0m  Databricks clusters as Kubernetes objects\n'
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n\033[1m%s\033[0m\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  \033[36m%-18s\033[0m %s\n", $$1, $$2 } \
		/^##\. / { printf "  %-18s %s\n", "", substr($$0, 5) }' $(firstword $(MAKEFILE_LIST))
	@printf '\n'

.PHONY: demo
demo: controlplane ## Run a demo: a control plane, a workspace simulator, the operator and the samples
##. KEEP=1 keeps it running, builds the plugin, and prints how to use both with kubectl
	@echo 'demo: building the operator, the simulator and the demo (2 to 3 minutes on two cores, once)'
	@(while sleep 1 &>/dev/null; do ((SECONDS % 15)) || echo "demo: still building, $$SECONDS seconds so far"; done) & trap "kill $$!" EXIT; \
		$(GO_BUILD) -o $(BIN)/ ./cmd/manager ./cmd/simulator ./hack/demo $(if $(KEEP),./cmd/kubectl-dbc)
	@exec $(BIN)/demo $(if $(KEEP),--keep)

# The suites write one object of every shape of status, which test/gitops then reads
# with other tools.
ifeq ($(PKG)$(RUN),./...)
test: export STATUS_CORPUS := $(BIN)/statuses
endif

.PHONY: test
test: controlplane $(BIN)/kustomize $(BIN)/helm ## Run the tests against a real API server and the simulator
##. PKG=./internal/plan/... and RUN=case-07 select tests; make reliability measures latencies
	@rm -rf $(BIN)/statuses
	@$(if $(RACE),,echo 'test: no C compiler, so without the race detector')
ifneq ($(PKG)$(RUN),./...)
	$(GO_TEST) $(RACE) $(if $(RUN),-run '$(RUN)') $(PKG)
else
	$(GO_TEST) $(RACE) $$(go list ./... | grep -v -e /test/ -e '/internal/controller$$')
	# These start programs, or are in full size only without the race detector. The longest
	# come first, so that they run beside each other.
	$(GO_TEST) $(if $(RACE),-skip '$(MEASURED)|$(FLEETS)') ./test/histories ./internal/controller ./test/... $(if $(RACE),./internal/cache)
	@$(MAKE) --no-print-directory --jobs=2 $(if $(RACE),test-fleets) test-modules
endif

# The fleets of the controllers and a part of the histories. They wait more than they
# compute; make race runs all of both with the race detector. test/gitops reads the
# statuses meanwhile, so they write none.
.PHONY: test-fleets
test-fleets: export STATUS_CORPUS :=
test-fleets:
	$(GO_TEST) -race -parallel=12 -run '$(FLEETS)|^TestHistories$$' ./internal/controller ./test/histories

.PHONY: test-modules
test-modules:
	@for module in $(TESTED); do \
		[[ -n $$(find $$module -name '*_test.go' -print -quit) ]] || continue; \
		echo "go test $$module"; (cd $$module && go test -vet=off -shuffle=on -timeout=20m ./...); \
	done
	@$(MAKE) --no-print-directory coverage

.PHONY: race
race: controlplane ## Run all tests of the controllers and the histories with the race detector
##. make test runs a part of them with it
	$(GO_TEST) -race -count=1 ./internal/controller ./test/histories

.PHONY: coverage
coverage: ## Check how much of the packages that decide their own tests cover; `make test` calls it
##. COVERAGE=95 sets another floor than 90 percent
	@go test -vet=off -cover $(COVERED) | awk -v floor='$(COVERAGE)' -v packages='$(words $(COVERED))' ' \
		{ print } \
		match($$0, /coverage: [0-9.]+%/) { \
			measured++; percent = substr($$0, RSTART + 10, RLENGTH - 11); \
			if (percent + 0 < floor + 0) low = low "\n  " $$2 ": " percent "%" } \
		END { \
			if (low) { print "coverage: less than " floor "% of these packages is covered by their own tests:" low; exit 1 } \
			if (measured != packages) { print "coverage: " measured + 0 " of " packages " packages were measured"; exit 1 } }'

.PHONY: test-oldest
test-oldest: $(BIN)/kustomize $(BIN)/helm ## Run the tests of rules, installations and programs with the oldest supported Kubernetes
##. it is built or downloaded first (five minutes, once)
	@cd hack/controlplane && go run . --oldest --into $(BIN)/k8s-oldest
	KUBEBUILDER_ASSETS=$(BIN)/k8s-oldest go test -count=1 -timeout=20m ./test/admission ./test/install ./test/e2e

.PHONY: reliability
reliability: export RELIABILITY_DOC := $(if $(DOC),$(CURDIR)/docs/reliability.md)
reliability: controlplane ## Measure the effect of a fault in one namespace on the others (a minute)
##. DOC=1 measures one fault at a time, and writes docs/reliability.md
	go test -count=1 -timeout=10m -parallel=$(if $(DOC),1,3) -run '$(MEASURED)' -v ./internal/controller | grep -E '^ *\||^(---|FAIL|ok)|_test.go'

.PHONY: explore
explore: ## Explore the interleavings of a creation and a deletion deeper than make test does (ten minutes)
	EXPLORE=deep go test -count=1 -timeout=60m -v ./test/explore/... | grep -vE '^=== RUN'

.PHONY: histories
histories: ## Run random histories of the whole operator in virtual time; make test runs 100,000
##. STEPS=1000000 and SEED=7 select others; a history that fails is printed as short as possible
	go test -count=1 -timeout=24h -v -run '^TestHistories$$' ./test/histories -args $(if $(STEPS),-steps=$(STEPS)) $(if $(SEED),-seed=$(SEED)) | grep -vE '^=== RUN'

.PHONY: soak
soak: ## Run ten million steps of random histories, and seven virtual days with 2,000 objects (hours)
	@$(MAKE) histories STEPS=$(or $(STEPS),10000000) SEED=$(or $(SEED),1000000)
	go test -count=1 -timeout=24h -v -run '^TestSoak$$' ./test/histories -args -hours=168 -objects=2000 | grep -vE '^=== RUN'

.PHONY: fuzz
fuzz: ## Fuzz every decoder and parser, and the comparison of specs, a minute each; TIME=10m for longer
##. an input that fails is kept in testdata/fuzz of its package; commit it with the fix
	@grep -rlE '^func Fuzz' --include='*_test.go' internal | xargs -n1 dirname | sort -u | while read -r package; do \
		for target in $$(grep -hoE '^func Fuzz\w+' "$$package"/*_test.go | sed 's/func //'); do \
			echo "fuzz: $$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(or $(TIME),1m) "./$$package" || exit 1; \
		done; \
	done

.PHONY: bench
bench: controlplane ## Measure every performance target and print the results (an hour)
##. SHORT=1 takes four minutes, with 1,000 objects instead of 10,000; DOC=1 writes docs/performance.md; ROWS=P14,P15 measures these only
	@go run ./test/bench $(if $(SHORT),--short) $(if $(DOC),--doc) $(if $(ROWS),--rows $(ROWS))

.PHONY: mutants
mutants: controlplane ## Change the code in small ways and check that the tests fail (hours)
##. SHORT=1 takes three minutes; PKG=internal/plan runs one package, RUN=redaction some critical mutants
	@go run ./hack/mutants $(if $(SHORT),--short) $(if $(filter-out ./...,$(PKG)),--package $(PKG)) $(if $(RUN),--critical '$(RUN)') $(if $(SEED),--seed $(SEED))

.PHONY: e2e-gitops
e2e-gitops: controlplane $(BIN)/controller-gen ## Run the operator with real Flux and Argo CD, which are built first (a quarter of an hour, once)
##. RUN=GitOps/scenario/prune selects scenarios; those whose programs cannot be downloaded are SKIPPED
	@cd hack/controlplane && go run . --gitops --into $(BIN)/gitops
	@echo 'e2e-gitops: building the operator and the simulator'
	@$(GO_BUILD) -o $(BIN)/ ./cmd/manager ./cmd/simulator
	@cd test/gitops-e2e && go test -count=1 -timeout=25m $(if $(RUN),-run '$(RUN)')

##@ Development

.PHONY: generate
generate: $(BIN)/controller-gen ## Generate Go code (deep copies) from the API types
	$(BIN)/controller-gen object paths=./api/...

.PHONY: manifests
manifests: $(BIN)/controller-gen $(BIN)/kustomize ## Generate the CRDs, the manager's role, dist/install.yaml, argocd-cm.yaml, the chart's files and the reference pages
	$(BIN)/controller-gen crd paths=./api/... output:crd:dir=config/crd/bases
	$(BIN)/controller-gen rbac:roleName=manager-role paths=./internal/controller/... output:rbac:dir=config/rbac
	cp config/rbac/role.yaml config/namespaced/watched/role.yaml
	go test -count=1 -run '^TestTheReferenceIsUpToDate$$' ./internal/drift -update
	@mkdir -p dist
	$(BIN)/kustomize build config/default > dist/install.yaml.tmp && mv dist/install.yaml.tmp dist/install.yaml
	@hack/chart.sh $(BIN)/kustomize $(CHART)
	hack/argocd-cm.sh > examples/argocd/argocd-cm.yaml.tmp && mv examples/argocd/argocd-cm.yaml.tmp examples/argocd/argocd-cm.yaml
	go test -count=1 -run '^TestTheReferenceIsUpToDate$$' ./api/v1alpha1 ./cmd/manager ./internal/kubectl/cli -update

.PHONY: verify
verify: verify-generated verify-modules verify-words lint ## Check the generated files, the modules, the words to avoid and lint
	@echo 'verify: ok'

.PHONY: verify-generated
verify-generated: generate manifests
	@stale="$$(git diff --name-only -- $(GENERATED); git ls-files --others --exclude-standard -- $(GENERATED))"; \
	if [[ -n $$stale ]]; then \
		git --no-pager diff --stat -- $(GENERATED); \
		echo 'verify: these files were stale and have been regenerated; review them and add them to your commit:' >&2; \
		sed 's/^/  /' <<<"$$stale" >&2; exit 1; \
	fi

.PHONY: verify-modules
verify-modules:
	@for module in . $(MODULES); do \
		(cd $$module && go mod tidy -diff) || { echo "verify: $$module/go.mod is not tidy; run: (cd $$module && go mod tidy)" >&2; exit 1; }; \
	done

.PHONY: verify-words
verify-words:
	@hack/words.sh

.PHONY: lint
lint: $(BIN)/golangci-lint ## Check format, vet, the import rules of packages and the API conventions
	@for module in . $(MODULES); do \
		[[ -n $$(find $$module -name '*.go' -print -quit) ]] || continue; \
		echo "lint $$module"; \
		(cd $$module && $(BIN)/golangci-lint run --config $(CURDIR)/.golangci.yml ./...); \
	done

.PHONY: fix
fix: $(BIN)/golangci-lint ## Format the code and apply the fixes of the linters
	$(BIN)/golangci-lint run --fix ./...

.PHONY: vulncheck
vulncheck: $(BIN)/govulncheck ## Look for known vulnerabilities in called functions (needs the network)
	$(BIN)/govulncheck ./...

##@ Build

.PHONY: build
build: ## Build bin/manager (the operator) and bin/simulator (a workspace), static
	@echo 'build: bin/manager and bin/simulator $(VERSION) (the first time about 3 minutes)'
	@$(GO_BUILD) -o $(BIN)/manager ./cmd/manager
	@$(GO_BUILD) -o $(BIN)/simulator ./cmd/simulator

.PHONY: plugin
plugin: ## Build bin/kubectl-dbc (the kubectl plugin), static
	@echo 'plugin: bin/kubectl-dbc $(VERSION) (the first time a few minutes)'
	@$(GO_BUILD) -o $(BIN)/kubectl-dbc ./cmd/kubectl-dbc

.PHONY: plugin-release
plugin-release: ## Build the plugin for every platform, with checksums and the krew manifest, into dist/plugin
	@rm -rf dist/plugin
	@hack/plugin/release.sh $(VERSION) dist/plugin
	@PLUGIN_ARCHIVES=$(CURDIR)/dist/plugin go test -count=1 ./hack/plugin

.PHONY: reproducible
reproducible: ## Build the operator twice and check that the binaries are identical
	@hack/reproducible.sh

.PHONY: docker-build
docker-build: ## Build the operator's image; IMG= names it
	$(CONTAINER_TOOL) build --build-arg VERSION=$(VERSION) --tag $(IMG) .

.PHONY: docker-buildx
docker-buildx: ## Build and push the image for every platform; IMG=, PLATFORMS=
	$(CONTAINER_TOOL) buildx build --build-arg VERSION=$(VERSION) --platform $(PLATFORMS) --tag $(IMG) --push .

.PHONY: package
package: $(BIN)/helm ## Package the Helm chart into dist
	$(BIN)/helm package $(CHART) --destination dist

##@ Deployment to the cluster of your current kubectl context

.PHONY: install
install: $(BIN)/kustomize ## Install the CRDs
	$(BIN)/kustomize build config/crd | $(KUBECTL) apply --server-side -f -

.PHONY: uninstall
uninstall: $(BIN)/kustomize ## Remove the CRDs if no object is left; this deletes no cluster in Databricks
	@hack/uninstall.sh $(BIN)/kustomize $(KUBECTL)

.PHONY: deploy
deploy: $(BIN)/kustomize ## Install the CRDs and the operator; IMG= names its image, OVERLAY= a folder of config
	$(BIN)/kustomize build config/$(OVERLAY) | sed 's|$(IMAGE_IN_CONFIG)|$(IMG)|' | $(KUBECTL) apply --server-side -f -

.PHONY: undeploy
undeploy: $(BIN)/kustomize ## Remove the operator; the CRDs, their deletion policy and the objects stay. OVERLAY= as for deploy
	$(BIN)/kustomize build config/$(OVERLAY) | $(KUBECTL) delete --ignore-not-found --selector 'app.kubernetes.io/component!=crd' -f -

##@ Maintenance

.PHONY: controlplane
controlplane: ## Find, download or build etcd, kube-apiserver and kubectl (about 5 minutes, once)
	@cd hack/controlplane && go run . --into $(BIN)/k8s

.PHONY: tools
tools: $(addprefix $(BIN)/,controller-gen kustomize helm golangci-lint govulncheck) ## Build all tools

.PHONY: clean
clean: ## Remove all build results except the control plane and the GitOps controllers
	find $(BIN) -mindepth 1 -maxdepth 1 ! -name k8s ! -name k8s-oldest ! -name gitops -exec rm -rf {} +

.PHONY: clean-all
clean-all: ## Remove all build results
	rm -rf $(BIN)

# Tools, each at the version in hack/tools/go.mod.
$(BIN)/controller-gen: TOOL = sigs.k8s.io/controller-tools/cmd/controller-gen
$(BIN)/kustomize:      TOOL = sigs.k8s.io/kustomize/kustomize/v5
$(BIN)/helm:           TOOL = helm.sh/helm/v3/cmd/helm
$(BIN)/helm:           ESTIMATE = , about 2 minutes, once
$(BIN)/govulncheck:    TOOL = golang.org/x/vuln/cmd/govulncheck
# golangci-lint with the linter of Kubernetes APIs built in.
$(BIN)/golangci-lint:  TOOL = sigs.k8s.io/kube-api-linter/cmd/golangci-lint-kube-api-linter
$(BIN)/golangci-lint:  ESTIMATE = , about 2 minutes, once

$(addprefix $(BIN)/,controller-gen kustomize helm govulncheck golangci-lint): hack/tools/go.mod
	@echo 'tools: building $(@F)$(ESTIMATE)'
	@mkdir -p $(@D)
	@cd hack/tools && go build -trimpath -ldflags '-s -w' -o $@.$$$$ $(TOOL) && mv $@.$$$$ $@
