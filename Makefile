# Every command of the project. Each makes what it needs; a bare Debian or Ubuntu machine with
# python3 (3.11 or newer), its venv module and make is enough.

PYTHON ?= python3
SEED ?= 1
STAGE ?= dev

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
INFRA := PYTHONPATH=.:lambda $(BIN)/python
CDK := node_modules/.bin/cdk
TORCH_INDEX := https://download.pytorch.org/whl/cpu
ROOMS := $(patsubst %/,%,$(sort $(dir $(wildcard $(addsuffix /*.py,common lambda/retrain_trigger task api local infra image bench tests)))))

.DEFAULT_GOAL := help
.PHONY: help demo demo-local test check image test-image synth diff deploy cost snapshot fmt bench faults mutants clean
.PHONY: mariadb chromium synth-app

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.local ## play the whole loop in an emulated cloud, on made-up votes (SEED=n)
	@$(BIN)/python -m local.demo --seed $(SEED)

demo-local: $(VENV)/.local ## the same loop without a cloud: folders, files and one command
	@$(BIN)/python -m local.demo_local --seed $(SEED)

test: $(VENV)/.dev mariadb chromium ## run every level of test, with coverage
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -n 3 --dist worksteal
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

check: $(VENV)/.dev ## the one gate: format, lint, types, import contracts, tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy $(ROOMS)
	@PYTHONPATH=.:lambda $(BIN)/lint-imports --no-logo
	@$(MAKE) --no-print-directory test

image: $(VENV)/.runtime ## build the images of task and API (ARGS="--base IMAGE" for another base)
	@$(BIN)/python -m image.build $(ARGS)

test-image: $(VENV)/.dev mariadb image ## run both images as AWS would: a whole run, requests, a SIGTERM
	@$(BIN)/python -m pytest -m image tests/image

synth: $(VENV)/.infra $(CDK) ## make a stage's template into cdk.out, checked by AWS's rules (STAGE=prod)
	@$(CDK) synth --quiet -c stage=$(STAGE) $(ARGS)

diff: $(VENV)/.infra $(CDK) ## what deploying a stage would change in your account (STAGE=prod)
	@$(CDK) diff -c stage=$(STAGE) $(ARGS)

deploy: $(VENV)/.infra $(CDK) ## deploy a stage into your account (STAGE=prod)
	@$(CDK) deploy -c stage=$(STAGE) $(if $(CI),--require-approval never) $(ARGS)

snapshot: $(VENV)/.infra ## write infra/template.json and docs/stack.svg again after a change of infra/
	@$(INFRA) -m infra.snapshot
	@$(INFRA) -m infra.picture

cost: $(VENV)/.infra ## what a stage costs a month and a run, by its settings (STAGE=prod)
	@$(INFRA) -m infra.cost $(STAGE)

fmt: $(VENV)/.dev ## format the code and mend what the linter can
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: $(VENV)/.dev mariadb ## measure; one table a figure (ARGS=name for one)
	@$(BIN)/python -m bench $(ARGS)

faults: $(VENV)/.local ## play all that goes wrong with a roll-out, and write docs/faults.md (ARGS=words)
	@$(BIN)/python -m local.faults $(ARGS)

mutants: $(VENV)/.dev mariadb chromium ## break each guard and see its test go red (ARGS=name for one)
	@$(BIN)/python -m tests.mutants $(ARGS)

clean: ## remove what the demo, the tests and the tools left behind
	@rm -rf .demo .work .bench .image .coverage .coverage.* .cache .mypy_cache .pytest_cache \
		.ruff_cache .import_linter_cache .hypothesis cdk.out
	@find . -path ./$(VENV) -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

# What cdk.json names: `npx cdk` runs it in a fresh clone too, and passes the stage on.
synth-app: $(VENV)/.infra
	@CODE_REVISION=$$(git describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null) \
		$(INFRA) -m infra.app

# The stamps below say that an installation ended. The lock is for two commands at once: the
# second waits, finds the stamp and has nothing to do.

# torch comes first and alone: with PyTorch's own index beside the usual one the CPU build wins,
# and --retries 0 lets a machine that cannot reach that index go on without it.
$(VENV)/.runtime: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is not: name one with make PYTHON=python3.12"; \
		exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module: install it with apt-get install python3-venv"; \
		exit 1; } >&2
	@mkdir -p $(VENV); exec 9>$(VENV)/.lock; flock 9; \
	if [ ! $@ -nt requirements.txt ]; then \
		set -e; \
		echo "installing requirements.txt into $(VENV), once: a minute or two"; \
		[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV); \
		$(PIP) --retries 0 --extra-index-url $(TORCH_INDEX) \
			"$$(sed -n 's/^\(torch==[^ #;]*\).*/\1/p' requirements.txt)"; \
		$(PIP) -r requirements.txt; \
		touch $@; \
	fi

$(VENV)/.local: requirements-local.txt requirements-api.txt $(VENV)/.runtime
	@$(call more,requirements-local.txt)

$(VENV)/.infra: infra/requirements.txt $(VENV)/.runtime
	@$(call more,infra/requirements.txt)

$(VENV)/.dev: requirements-dev.txt infra/requirements.txt $(VENV)/.local
	@$(call more,requirements-dev.txt)

# The CDK's own command line is a Node program, pinned like all the rest.
$(CDK): package.json package-lock.json
	@command -v npm >/dev/null || { \
		echo "The CDK needs Node.js 22 or newer with npm, and there is no npm:" \
			"install it from your system's packages or nodejs.org"; \
		exit 1; } >&2
	@echo "installing the CDK's command line into node_modules, once"
	@npm ci --silent --no-audit --no-fund && touch $@

# Installs $(1) on top of what is there, unless the stamp is newer than all it depends on.
define more
exec 9>$(VENV)/.lock; flock 9; \
	if [ -n "$$(find $^ -newer $@ 2>/dev/null)" ] || [ ! -e $@ ]; then \
		set -e; \
		echo "installing $(1) into $(VENV), once"; \
		$(PIP) -r $(1); \
		touch $@; \
	fi
endef

# The two core packages hold the server and what sets up its folder, but no service: nothing is
# started on this machine. The tests start their own server and stop it. (Older Ubuntus name
# them otherwise: there it is the whole package.)
mariadb:
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin"; \
	if ! command -v mariadbd >/dev/null; then \
		packages="mariadb-server-core mariadb-client-core"; \
		as_root=; [ "$$(id -u)" = 0 ] || as_root="sudo -n"; \
		echo "installing $$packages for the tests, once"; \
		{ $$as_root apt-get update -qq; $$as_root env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $$packages || $$as_root env \
			DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mariadb-server; \
		} >/dev/null || { \
			echo "The tests need MariaDB's server, and it could not be installed." \
				"Run as an administrator: apt-get install $$packages"; \
			exit 1; } >&2; \
	fi

# The browser that looks at the page and the report, and the driver that steers it. (Ubuntu has
# Chromium as a snap alone: there any Chrome that is installed will do.)
chromium:
	@if ! { command -v chromium || command -v chromium-browser || command -v google-chrome; } \
			>/dev/null || ! command -v chromedriver >/dev/null; then \
		packages="chromium chromium-driver"; \
		as_root=; [ "$$(id -u)" = 0 ] || as_root="sudo -n"; \
		echo "installing $$packages for the tests, once"; \
		{ $$as_root apt-get update -qq; $$as_root env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $$packages; } >/dev/null || { \
			echo "The tests need Chromium and its driver, and they could not be installed." \
				"Run as an administrator: apt-get install $$packages"; \
			exit 1; } >&2; \
	fi
