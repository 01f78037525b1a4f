# Every target works on a clean checkout with Go; the tests on a real Apache
# Kafka need Java and Maven too, those on object stores `make stores` with
# Node.js, and both say so where they are missing.

GO       ?= go
GOTEST   := $(GO) run ./hack/gotest
POSITIONS ?= 1000000

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: build
build: ## build bin/kferry, static and without paths of this machine
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ ./cmd/...

.PHONY: demo
demo: ## see a consumer group cross between two embedded clusters
	@$(GO) run ./cmd/kferry demo

.PHONY: test
test: ## run all tests: unit, object stores, real Kafka, stories; says what could not run
	@$(GOTEST) unit stores kafka stories

.PHONY: test-unit
test-unit: ## run the tests that need nothing but Go
	@$(GOTEST) unit

.PHONY: test-stores
test-stores: ## run the tests on real object stores
	@$(GOTEST) stores

.PHONY: test-kafka
test-kafka: ## run the tests on a real Apache Kafka, without those of stories
	@$(GOTEST) kafka

.PHONY: stories
stories: ## run the stories, and the tests with the real MirrorMaker 2
	@$(GOTEST) stories

.PHONY: kafka
kafka: ## fetch the jars of Apache Kafka that the tests use
	@$(GO) run ./internal/kafkatest/cmd/fetch

.PHONY: stores
stores: ## install the object stores that the tests use
	@hack/stores

.PHONY: lint
lint: ## run golangci-lint: house style and the layers of ARCHITECTURE.md
	@bin=$$(hack/tools) && "$$bin/golangci-lint" run ./...

.PHONY: fmt
fmt: ## format the code
	@bin=$$(hack/tools) && "$$bin/golangci-lint" fmt ./...

.PHONY: bench
bench: ## print costs as counts and ratios
	@$(GO) run ./bench
	@$(MAKE) --no-print-directory bulk-table

.PHONY: bulk-table
bulk-table: ## see what moving 1,000 groups at once costs beside bare requests, real Kafka
	@out=$$(mktemp) && trap 'rm -f "$$out"' EXIT && KFERRY_REQUIRE_KAFKA=1 KFERRY_TABLE=$$out \
	$(GO) test ./internal/e2e/bulk -run '^$$' -bench '^BenchmarkBulk$$' -benchtime 1x -count=1 >&2 && cat "$$out"

.PHONY: mm2-table
mm2-table: ## see what groups read again over a copy of MirrorMaker 2, real Kafka
	@out=$$(mktemp) && trap 'rm -f "$$out"' EXIT && KFERRY_REQUIRE_KAFKA=1 KFERRY_TABLE=$$out \
	$(GO) test ./internal/e2e/mm2 -run '^TestTable$$' -count=1 >&2 && cat "$$out"

.PHONY: oracle
oracle: ## check POSITIONS=1000000 random positions against a full scan
	KFERRY_ORACLE_POSITIONS=$(POSITIONS) $(GO) test ./internal/oracle -run TestOracle -timeout 60m -count=1 -v

.PHONY: mutants
mutants: ## see that the oracle catches every known mistake
	$(GO) test ./internal/oracle -run TestMutants -timeout 30m -count=1 -v

.PHONY: clean
clean: ## remove what the other targets have built
	rm -rf bin dist .cache
