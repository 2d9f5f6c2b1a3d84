# make run    sets up what is missing, trains on the sample, prints the result, pushes the model
# make test   sets up what is missing, runs the tests
# make quality  measures what is trained against other ways, fold by fold (README, "Quality")
# make bench  measures speed beside what a user would pick instead (docs/benchmarks.md)
# make same   checks that a change leaves results as they were: BASE=<commit> to compare with
# make lint | types | lock | clean
#
# Settings: PYTHON (3.11 to 3.13), AUTHORS (size of the sample), TESTS (what pytest gets),
# WORKERS (processes that test side by side, each a file at a time; 0: one after the other).
# Of `bench`, an hour: ROUNDS; SIZE=small, with ROUNDS=1 ten minutes; CONFIG (a run of your
# own to measure too); PARTS (training,inference,data,whole_run); BENCH (folder of the results).
# Of `quality`: DATA (folder of posts and labels; POSTS and LABELS name them otherwise), HEADS, ROWS,
# FOLDS, SEEDS, BUDGET (trials of a search), QUALITY (folder of the results), FLAGS (--set ...).

AUTHORS ?= 3000
SAMPLE := runs/sample
TESTS ?= tests
WORKERS ?= 2
BIN := .venv/bin
SOURCES := components pipeline benchmarks environment setup.py tests/count_head/count_head

# The Python that the environment was made from, else the first one that TFX 1.21 takes.
PYTHON ?= $(shell for python in "$$(sed -n 's/^executable = //p' .venv/pyvenv.cfg 2>/dev/null)" \
	python3 python3.11 python3.12 python3.13; do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	2>/dev/null && echo "$$python" && exit; done; echo python3)

# Without bytecode `import tfx` takes three times as long.
unexport PYTHONDONTWRITEBYTECODE
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
.PHONY: help environment run test quality bench same lint types lock clean

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

environment:
	@"$(PYTHON)" environment/bootstrap.py

run: $(SAMPLE)/data/config.yaml
	@$(BIN)/authorprofile run $(SAMPLE)/data/config.yaml --out $(SAMPLE)

# The generator writes config.yaml last.
$(SAMPLE)/data/config.yaml: | environment
	@$(BIN)/authorprofile sample $(SAMPLE)/data --authors $(AUTHORS)

test: environment
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(TESTS)

DATA ?= $(SAMPLE)/data
POSTS ?= $(wildcard $(DATA)/posts*)
LABELS ?= $(wildcard $(DATA)/labels*)
HEADS ?= age,income,gender
ROWS ?=
FOLDS ?= 5
SEEDS ?= 1,2,3
BUDGET ?= 6
QUALITY ?= runs/quality
quality: environment
	@$(BIN)/python -m benchmarks.quality --posts $(POSTS) --labels $(LABELS) --heads $(HEADS) \
		--rows "$(ROWS)" --folds $(FOLDS) --seeds $(SEEDS) --set tuner.trials=$(BUDGET) \
		--out $(QUALITY) $(FLAGS)

BENCH ?= runs/bench
ROUNDS ?= 5
SIZE ?= full
PARTS ?= training,inference,data,whole_run
CONFIG ?=
bench: environment
	@$(BIN)/python -m benchmarks --out $(BENCH) --rounds $(ROUNDS) --size $(SIZE) --parts $(PARTS) \
		$(if $(CONFIG),--config $(CONFIG))

BASE ?= HEAD
ESSAYS ?=
same: environment
	@$(BIN)/python -m benchmarks.same_results $(BASE) $(if $(ESSAYS),--essays $(ESSAYS))

lint: environment
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: environment
	@$(BIN)/mypy $(SOURCES)

# Existing pins stay where they still satisfy requirements.in; UPGRADE=--upgrade takes the newest.
lock: environment
	.venv/tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate $(UPGRADE) -o environment/requirements.lock environment/requirements.in
	.venv/tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate $(UPGRADE) -o environment/tools.lock environment/tools.in

clean:
	rm -rf .venv .cache build authorprofile.egg-info .pytest_cache .mypy_cache .ruff_cache
