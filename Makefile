# `make help` lists the targets.
#
# Paths are relative, and programs in .venv are run with `python -m`: the first line of a script in
# .venv/bin contains its folder, which breaks if the folder's name has a space.

PYTHON = python3
PORT = 8000
ARGS =
IN_VENV = .venv/bin/python
PIP_INSTALL = $(IN_VENV) -m pip --disable-pip-version-check install --quiet --require-hashes

.DELETE_ON_ERROR:
.PHONY: help run image test quick next long check screenshots symptoms messages requirements

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

run: .venv/.requirements .env ## set up what is missing and serve on http://127.0.0.1:8000 (PORT=8001 for another)
	@test -e db.sqlite3 && is_first= || is_first=yes; \
	$(IN_VENV) manage.py migrate --verbosity 0 && \
	if [ "$$is_first" ]; then $(IN_VENV) manage.py demo; fi && \
	echo "Likeness runs on http://127.0.0.1:$(PORT)" && \
	exec $(IN_VENV) manage.py runserver 127.0.0.1:$(PORT)

# BUILD=… passes more options to `docker build`.
image: VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
image: ## build the image, with the version as its tag and its label
	docker build --tag likeness --tag likeness:$(VERSION) $(BUILD) \
		--build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) .

# The tests and the checks set what they need themselves, so ignore the developer's .env.
test check: export DJANGO_DOTENV =

test: .venv/.requirements-dev tools ## run all tests, in a real browser too (ARGS="-k crop" for some)
	@LIKENESS_CHROMIUM="$$(sh tests/browser/setup.sh $(IN_VENV))" && export LIKENESS_CHROMIUM && \
	$(IN_VENV) -m pytest $(ARGS)

# Leaves out browsers, servers, the folders of pictures and each test that takes seconds.
QUICK = --ignore tests/browser --ignore tests/production -m "not slow"
quick next: export DJANGO_DOTENV =
quick: .venv/.requirements-dev ## run the quick tests: in a minute or two, without a browser or a server
	$(IN_VENV) -m pytest $(QUICK) $(ARGS)

# Django's version is not pinned here: it is the newest each time.
next: .venv-next/.requirements ## run the quick tests on the newest Django (PYTHON=python3.13 for another Python)
	.venv-next/bin/python -m pip --disable-pip-version-check install --quiet --upgrade 'django>=6'
	.venv-next/bin/python -m pytest -p no:cacheprovider $(QUICK) $(ARGS)

.venv-next/.requirements: requirements-dev.txt
	$(PYTHON) -m venv --clear .venv-next
	.venv-next/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes \
		-r requirements-dev.txt
	@touch .venv-next/.requirements

# These tests take too long for CI.
long: export DJANGO_DOTENV =
long: .venv/.requirements-dev ## kill the picture process and the whole site 2,000 times each, run each race 50 times, cut the power 150 times, and damage 20,000 files of each format
	LIKENESS_KILLS=2000 LIKENESS_STORM=2000 LIKENESS_ROUNDS=50 LIKENESS_POWER_CUTS=75 LIKENESS_FUZZ=20000 \
	$(IN_VENV) -m pytest tests/test_kills.py tests/test_fuzz.py \
		$(addprefix tests/production/test_,storm.py races.py power.py) $(ARGS)

check: .venv/.requirements-dev tools ## check format, style, types, migrations, templates and the production settings
	$(IN_VENV) -m ruff format --check .
	$(IN_VENV) -m ruff check .
	DJANGO_DEBUG=on $(IN_VENV) -m mypy .
	DJANGO_DEBUG=on $(IN_VENV) manage.py makemigrations --check --dry-run
	find templates profiles examples -name '*.html' -not -path '*/.venv/*' -exec .venv/bin/djade --check --target-version 5.2 {} +
	@if [ -e $(TOOLS) ]; then echo stylelint && cd tests/tools && \
		node_modules/.bin/stylelint '../../{,profiles/,examples/*/,examples/*/*/}static/**/*.css'; fi
	@echo "manage.py check --deploy, as docs/deploying.md sets it up"; \
	folder="$$(mktemp -d)" && trap 'rm -r "$$folder"' EXIT && \
	export DJANGO_DEBUG=off DJANGO_SECRET_KEY="$$($(NEW_KEY))" \
		DJANGO_ALLOWED_HOSTS=likeness.example \
		DJANGO_CSRF_TRUSTED_ORIGINS=https://likeness.example DJANGO_TRUSTED_PROXIES=1 \
		MEDIA_DELIVERY=app EMAIL_URL=smtp://localhost:25 \
		STATIC_ROOT="$$folder/static" MEDIA_ROOT="$$folder/media" && \
	$(IN_VENV) manage.py collectstatic --noinput --verbosity 0 && \
	$(IN_VENV) manage.py check --deploy --fail-level WARNING

screenshots: .venv/.requirements-dev ## take pictures of every page into screenshots/ (ARGS=--readme: the READMEs too)
	@mkdir -p screenshots
	@LIKENESS_CHROMIUM="$$(sh tests/browser/setup.sh $(IN_VENV))" && export LIKENESS_CHROMIUM && \
	$(IN_VENV) -m tests.browser.screenshots screenshots $(ARGS)

# Without nginx or LIKENESS_S3, what was recorded of the faults that need them stays.
symptoms: export DJANGO_DOTENV =
symptoms: .venv/.requirements-dev ## make the faults of /how-it-works/symptoms/ and record what is seen (ARGS="home slash": these alone)
	@LIKENESS_CHROMIUM="$$(sh tests/browser/setup.sh $(IN_VENV))" && export LIKENESS_CHROMIUM && \
	$(IN_VENV) -m tests.symptoms $(ARGS)

# Needs gettext (xgettext, msgfmt). The compiled files are committed, so running the site does not.
messages: .venv/.requirements ## collect the texts to translate into locale/, and compile the translations
	DJANGO_DEBUG=on $(IN_VENV) manage.py makemessages --locale de --locale ar --no-obsolete \
		--add-location file --ignore 'bench/*' --ignore 'examples/*' --ignore 'tests/*' --ignore '.venv*'
	DJANGO_DEBUG=on $(IN_VENV) manage.py compilemessages --ignore '.venv*' --verbosity 0

# Some tests use tools that are written for Node. The site does not need Node.
TOOLS = tests/tools/node_modules/.made
.PHONY: tools
tools:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(TOOLS); else \
	echo "npm is missing: the checks of CSS, of HTML and with axe are skipped. They need Node 20." >&2; \
	test -z "$$CI"; fi

%/node_modules/.made: %/package-lock.json
	cd $* && npm ci --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

# Keeps the pinned versions that pyproject.toml still allows; ARGS=--upgrade takes the newest.
requirements: .venv/.requirements-dev ## pin the dependencies of pyproject.toml, with hashes
	$(COMPILE) pyproject.toml -o requirements.txt
	$(COMPILE) --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt
	$(COMPILE) -c requirements.txt pyproject.toml bench/requirements.in -o bench/requirements.txt
	$(COMPILE) tests/audit/requirements.in -o tests/audit/requirements.txt

COMPILE = .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make requirements" $(ARGS)
# Only letters, digits, - and _: a $ has a meaning in .env.
NEW_KEY = $(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(50))'

.env:
	@umask 077 && key="$$($(NEW_KEY))" && \
	printf 'DJANGO_DEBUG=on\nDJANGO_SECRET_KEY=%s\n' "$$key" > .env

# Touched last, so that an interrupted installation is repeated.
.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "Likeness needs Python 3.11 or newer; this is $$($(PYTHON) --version 2>&1)." \
		"Set another: make PYTHON=python3.13 …" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	@touch .venv/.made

.venv/.requirements: .venv/.made requirements.txt
	$(PIP_INSTALL) -r requirements.txt
	@touch .venv/.requirements

# Includes all of requirements.txt, so it satisfies `make run` as well.
.venv/.requirements-dev: .venv/.made requirements-dev.txt
	$(PIP_INSTALL) -r requirements-dev.txt
	@touch .venv/.requirements .venv/.requirements-dev

# The other software has a separate environment, which also holds the bench's test pictures.
.PHONY: bench
bench: .venv-bench/.requirements ## measure uploads beside other people's software, and what the site serves (ARGS=--quick: a short one)
	.venv-bench/bin/python -m bench.avatars $(ARGS)
	.venv-bench/bin/python -m bench.memory $(ARGS)
	.venv-bench/bin/python -m bench.uploads $(ARGS)
	.venv-bench/bin/python -m bench.crowd $(ARGS)
	.venv-bench/bin/python -m bench.sign_in $(ARGS)
	.venv-bench/bin/python -m bench.reloads $(ARGS)
	.venv-bench/bin/python -m bench.pages $(ARGS)
	.venv-bench/bin/python -m bench.everybody $(ARGS)
	.venv-bench/bin/python -m bench.serve $(ARGS)
	.venv-bench/bin/python -m bench.workers $(ARGS)
	.venv-bench/bin/python -m bench.fidelity
	.venv-bench/bin/python -m bench.kinds

.venv-bench/.requirements: bench/requirements.txt
	$(PYTHON) -m venv --clear .venv-bench
	.venv-bench/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes \
		-r bench/requirements.txt
	@touch .venv-bench/.requirements

# Wapiti has a separate environment; the other tools are written for Node (20 or newer).
.PHONY: audit
audit: export DJANGO_DOTENV =
audit: .venv/.requirements-dev .venv-audit/.requirements tests/audit/node_modules/.made ## check the pinned packages with pip-audit, and the running site with Lighthouse, Observatory and Wapiti
	@LIKENESS_CHROMIUM="$$(sh tests/browser/setup.sh $(IN_VENV))" && export LIKENESS_CHROMIUM && \
	$(IN_VENV) -m tests.audit

.venv-audit/.requirements: tests/audit/requirements.txt
	$(PYTHON) -m venv --clear .venv-audit
	.venv-audit/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes \
		-r tests/audit/requirements.txt
	@touch .venv-audit/.requirements
