.DEFAULT_GOAL := help

.PHONY: help
help: ## List every command
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

.PHONY: run
run: ## Start the server, with a private PostgreSQL unless DATABASE_URL is set
	cargo run --package nomad-services

.PHONY: migrate
migrate: ## Bring the schema of the database at DATABASE_URL up to date
	cargo run --package nomad-services-migration -- up

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: lint
lint: ## Check formatting and lints, warnings as errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

.PHONY: test
test: ## Run every test, beside a throw-away PostgreSQL
	cargo run --package nomad-services-embedded-postgres -- cargo test --workspace
