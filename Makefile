# What a developer and CI run. Every target works on a clean clone; `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo
ROUNDS ?= 20

.PHONY: help build demo lint fmt tidy test kill clients bench bench-compare openapi

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

build: ## the release binary, target/release/quotalane
	$(CARGO) build --release --locked

demo: ## relay, mock upstream, one account of each type, an admin and a key, in one process
	$(CARGO) run --locked -- demo

fmt: ## format the code
	$(CARGO) fmt --all

lint: ## formatting, clippy with warnings denied, dependency rules
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	scripts/check-dependencies

tidy: ## the rules on the source tree (tests/tidy)
	$(CARGO) test --locked --test tidy

test: ## everything that a submission must pass
	scripts/test

kill: ## the fault tests at full length: ROUNDS=20 kill -9 rounds, long outages
	scripts/with-servers env QUOTALANE_KILL_ROUNDS=$(ROUNDS) QUOTALANE_FAULTS=full \
		$(CARGO) test --locked --test kill -- --nocapture --test-threads 1

clients: ## real SDKs and Claude Code against a demo relay
	tests/clients/run all

bench: ## the numbers of the README: measured table, bench/results/<date>-<commit>.json
	scripts/bench $(ARGS)

bench-compare: ## this commit's numbers against BASE=<commit>
	@test -n "$(BASE)" || { echo "usage: make bench-compare BASE=<commit>" >&2; exit 2; }
	scripts/bench --compare $(BASE)

openapi: ## write docs/openapi.json from the code
	$(CARGO) run --locked -- openapi --output docs/openapi.json
