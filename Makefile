# picolase: `make` lists what there is. Set-up is automatic: every target makes .venv if it must.

PYTHON ?= python3
BIN := .venv/bin
DEMO_READY := .venv/.ready
DEV_READY := .venv/.ready-dev

# Tracing what is covered costs a multiple of the long runs' time: only the two rooms the gate is about are traced.
# -n auto: one worker a core.
PYTEST_FLAGS := -rs -n auto
# Where both halves of the tests leave what became of those that show a requirement or a hazard.
TRACED := --trace-results run/trace-results.json
TRACE_PAGE := run/traceability.html
SBOM := build/sbom.cdx.json

.DEFAULT_GOAL := help
.PHONY: help demo test check bench fuzz soak mutation docs sbom lock clean

help: ## list the targets
	@echo "picolase: controller and firmware-in-the-loop simulator for a picosecond medical laser"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(DEMO_READY): pyproject.toml requirements.lock
	@$(PYTHON) tools/bootstrap.py demo
	@touch $@

$(DEV_READY): pyproject.toml requirements.lock
	@$(PYTHON) tools/bootstrap.py dev
	@touch $(DEMO_READY) $@

demo: $(DEMO_READY) ## a simulated laser, daemon and broker carry out a whole treatment plan (FIRMWARE=native: on the C core)
	@$(if $(FIRMWARE),PICOLASE_FIRMWARE=$(FIRMWARE)) $(BIN)/picolase demo

test: $(DEV_READY) ## all tests; protocols/ and safety/ covered to the last branch, each requirement and hazard shown
	@$(BIN)/python -m pytest $(PYTEST_FLAGS) $(TRACED) tests/protocols tests/safety --cov --cov-report=
	@$(BIN)/python -m coverage report --include='protocols/*,safety/*' --fail-under=100
	@$(BIN)/python -m pytest $(PYTEST_FLAGS) $(TRACED) --ignore tests/protocols --ignore tests/safety
	@$(BIN)/picolase trace --quiet --html $(TRACE_PAGE)

check: $(DEV_READY) ## format, style, types, import contracts, generated documents
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.generate --check
	$(BIN)/python -m tools.curves --check

bench: $(DEV_READY) ## speed, as ratios measured in one run
	@$(BIN)/python -m bench

fuzz: $(DEV_READY) ## every decoder and interface with coverage-guided inputs; FUZZ_S seconds each, 60 without
	@$(BIN)/python -m tests.fuzz.run --seconds $(or $(FUZZ_S),60)

soak: $(DEV_READY) ## all tests, with far more generated examples each; takes hours
	@PICOLASE_FUZZ_S=$(or $(FUZZ_S),600) $(BIN)/python -m pytest $(PYTEST_FLAGS) --hypothesis-profile=soak --timeout=7200
	@$(MAKE) --no-print-directory mutation

mutation: $(DEV_READY) ## change protocols/ and safety/ in thousands of ways and see which the tests notice; takes hours
	-@$(BIN)/python -m tools.mutate --jobs 2
	@$(BIN)/python -m tools.mutation_report build/mutation

docs: $(DEV_READY) ## write the generated documents, tables and curves anew
	@$(BIN)/python -m tools.generate
	@$(BIN)/python -m tools.curves
	@$(BIN)/picolase trace --quiet --html $(TRACE_PAGE) || true # needs the results of a whole `make test`

sbom: $(DEV_READY) ## the third-party software of the environment, with versions and licences (CycloneDX)
	@mkdir -p $(dir $(SBOM))
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o $(SBOM) $(BIN)/python
	@echo "written: $(SBOM)"

lock: ## resolve the newest versions and pin them in requirements.lock
	@$(PYTHON) tools/bootstrap.py lock

clean: ## remove everything that can be made again, .venv too
	rm -rf .venv build dist htmlcov .coverage .coverage.* *.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
