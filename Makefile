.DEFAULT_GOAL := help

# Tools that cargo does not bring along, built once into this folder.
TOOLS := $(CURDIR)/.tools
CARGO_DENY := 0.20.2
CARGO_MACHETE := 0.9.2
CARGO_SEMVER_CHECKS := 0.51.0
MDBOOK := 0.5.4
LYCHEE := 0.24.2
ADVISORIES := https://github.com/RustSec/advisory-db

# What the domain crate is compared with: the last release, and as long as there is none, main.
BASELINE ?= $(shell git describe --tags --abbrev=0 2>/dev/null || echo main)

# Every major version the migrations support, each as the newest build there is to fetch.
POSTGRES_VERSIONS := 12.22.0 13.22.0 14.19.0 15.14.0 16.10.0 17.6.0
WITH_POSTGRES := cargo run --quiet --package nomad-services-embedded-postgres --

.PHONY: help
help: ## List every command
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-24s %s\n", $$1, $$2}'

.PHONY: run
run: ## Start the server, with a private PostgreSQL unless DATABASE_URL is set
	cargo run --package nomad-services

.PHONY: migrate
migrate: ## Bring the schema of the database at DATABASE_URL up to date
	cargo run --package nomad-services-migration -- up

.PHONY: test
test: ## Run every test, beside a throw-away PostgreSQL
	$(WITH_POSTGRES) cargo test --workspace

.PHONY: database
database: ## Keep a throw-away PostgreSQL up, so that single tests can be run beside it; Ctrl-C ends it
	@$(WITH_POSTGRES) sh -c 'printf "In another terminal:\n\n  export TEST_DATABASE_URL=%s\n  cargo test --package nomad-services-tests --test api services\n\nCtrl-C ends it.\n" "$$TEST_DATABASE_URL"; exec tail -f /dev/null'

.PHONY: test-postgres-versions
test-postgres-versions: ## Run the schema's and the queries' tests on every major version of PostgreSQL, fetched where needed
	for version in $(POSTGRES_VERSIONS); do \
		echo "PostgreSQL $$version"; \
		POSTGRES_VERSION=$$version $(WITH_POSTGRES) cargo test --quiet --package nomad-services-migration --package nomad-services-persistence || exit 1; \
	done

.PHONY: bench
bench: ## Measure the server beside pgbench and write docs/performance.md (BENCH="--minutes 10", BENCH=--help; BENCH=sealing, BENCH=audit-page, BENCH=replicas: other figures)
	cargo build --release --package nomad-services
	cargo run --release --package nomad-services-bench -- $(BENCH)

.PHONY: lint
lint: $(TOOLS)/cargo-deny-$(CARGO_DENY) $(TOOLS)/cargo-machete-$(CARGO_MACHETE) ## Check format, lints, licences, sources, advisories, unused dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	$(TOOLS)/bin/cargo-machete --with-metadata
	$(TOOLS)/bin/cargo-deny --workspace check bans licenses sources
	@if GIT_TERMINAL_PROMPT=0 timeout 30 git ls-remote --quiet $(ADVISORIES) HEAD >/dev/null 2>&1; then \
		$(TOOLS)/bin/cargo-deny --workspace check advisories; \
	else \
		echo "advisories: NOT CHECKED, because $(ADVISORIES) can't be reached"; \
	fi

.PHONY: package
package: ## Check that the domain crate can be published by itself
	cargo package --package nomad-services-domain --allow-dirty

.PHONY: semver
semver: $(TOOLS)/cargo-semver-checks-$(CARGO_SEMVER_CHECKS) ## Check what the domain crate breaks since the last release (BASELINE=revision)
	@echo "The domain crate, compared with $(BASELINE):"
	$(TOOLS)/bin/cargo-semver-checks semver-checks --package nomad-services-domain --baseline-rev $(BASELINE)

.PHONY: docs
docs: $(TOOLS)/mdbook-$(MDBOOK) $(TOOLS)/lychee-$(LYCHEE) ## Build docs/ as a site into target/book, and check the links of every page
	$(TOOLS)/bin/mdbook build
	$(TOOLS)/bin/lychee --offline --include-fragments --no-progress $$(git ls-files '*.md') 'target/book/**/*.html'

.PHONY: doc
doc: ## Build the documentation of every crate into target/doc
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

$(TOOLS)/cargo-deny-$(CARGO_DENY):
	cargo install --locked --root $(TOOLS) cargo-deny@$(CARGO_DENY)
	touch $@

$(TOOLS)/cargo-machete-$(CARGO_MACHETE):
	cargo install --locked --root $(TOOLS) cargo-machete@$(CARGO_MACHETE)
	touch $@

$(TOOLS)/cargo-semver-checks-$(CARGO_SEMVER_CHECKS):
	cargo install --locked --root $(TOOLS) cargo-semver-checks@$(CARGO_SEMVER_CHECKS)
	touch $@

# Without the server and the watcher of a preview, which nothing here uses.
$(TOOLS)/mdbook-$(MDBOOK):
	cargo install --locked --root $(TOOLS) --no-default-features --features search mdbook@$(MDBOOK)
	touch $@

$(TOOLS)/lychee-$(LYCHEE):
	cargo install --locked --root $(TOOLS) --no-default-features lychee@$(LYCHEE)
	touch $@
