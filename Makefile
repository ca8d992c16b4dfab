# The project's commands. `make help` lists them; CI runs .ci/run, which calls
# these. Each installs with apt-get what it needs and the machine lacks.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
PREFIX  ?= /usr/local
DESTDIR ?=
# Where make run mounts.
MNT ?= /tmp/ipn
# Flags for make test, and how long make fuzz tries each fuzz test.
TESTFLAGS ?=
# Tests that need root are not skipped for root. Those of real mounts run one
# package at a time: who enters a namespace by `ip netns` holds a copy of every
# mount for that time.
ROOT = $(if $(filter 0,$(shell id -u)),IPNFS_TEST_REQUIRE=1)
FUZZTIME  ?= 1m

# Where Go's own packages put it, in case the shell does not know.
export PATH := $(PATH):/usr/local/go/bin
# No version from git within go build: it fails in a clone of another user.
export GOFLAGS := $(GOFLAGS) -buildvcs=false

LINT   := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
# Reads +checklocks: which fields are under which lock. Where it names no place, -:,
# a function ends with a lock held, or a function within another is called
# with one: +checklocksignore above the outer one ends that.
LOCKS  := gvisor.dev/gvisor/tools/checklocks/cmd/checklocks@v0.0.0-20260905035102-160fafc42237
MD2MAN := github.com/cpuguy83/go-md2man/v2@v2.0.7
PAGES  := ipnfs.8 mount.ipnfs.8 ipnfs.5
BIN    := build/ipnfs
mandir  = $(DESTDIR)$(PREFIX)/share/man
bashdir = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
zshdir  = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
fishdir = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
UNIT   := ipnfs@.service
unitdir = $(DESTDIR)$(PREFIX)/lib/systemd/system

.NOTPARALLEL:
.PHONY: build run test race fuzz hostile bench lint man install uninstall clean help setup-%
.DEFAULT_GOAL := build

build: setup-build ## build the program: build/ipnfs
	CGO_ENABLED=0 go build -trimpath -ldflags '-X main.version=$(VERSION)' -o $(BIN) ./cmd/ipnfs

run: setup-run build ## mount on $(MNT), show a first exchange, and leave it mounted
	@scripts/run $(BIN) $(MNT)

test: setup-test ## run all tests; as root nothing is skipped
	go vet ./...
	$(ROOT) go test -count=1 -timeout 30m $(TESTFLAGS) $$(go list ./... | grep -v /test/)
	$(ROOT) go test -count=1 -timeout 30m -p 1 $(TESTFLAGS) ./test/...

race: ## run all tests with the race detector
	@$(MAKE) --no-print-directory test TESTFLAGS='-race $(TESTFLAGS)'

fuzz: setup-build ## try every fuzz test for FUZZTIME
	@scripts/fuzz $(FUZZTIME)

hostile: setup-test ## let users do their worst, and measure what that costs others
	$(ROOT) go test -count=1 -timeout 20m -v $(TESTFLAGS) ./test/hostile

bench: setup-bench build ## measure beside the peers; make -s bench prints nothing but Markdown
	@go run ./test/bench -bin $(BIN)

lint: setup-build ## check style, the directions of import and the use of locks
	go run $(LINT) run
	go run $(LOCKS) -inferred=false -test=false ./...

man: setup-build ## build the manual pages: build/man
	@mkdir -p build/man
	@for page in $(PAGES); do go run $(MD2MAN) -in doc/$$page.md -out build/man/$$page || exit 1; done

install: build man ## install below PREFIX: program, mount helper, manual pages, completions, unit
	install -D -m 0755 $(BIN) $(DESTDIR)$(PREFIX)/bin/ipnfs
	install -d $(DESTDIR)/sbin
	ln -sfn $(PREFIX)/bin/ipnfs $(DESTDIR)/sbin/mount.ipnfs
	for page in $(PAGES); do install -D -m 0644 build/man/$$page $(mandir)/man$${page##*.}/$$page || exit 1; done
	install -d $(bashdir) $(zshdir) $(fishdir)
	$(BIN) completion bash >$(bashdir)/ipnfs
	$(BIN) completion zsh >$(zshdir)/_ipnfs
	$(BIN) completion fish >$(fishdir)/ipnfs.fish
	install -d $(unitdir)
	sed 's,/usr/local/bin,$(PREFIX)/bin,' cmd/ipnfs/systemd/$(UNIT) >$(unitdir)/$(UNIT)

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/ipnfs $(DESTDIR)/sbin/mount.ipnfs
	for page in $(PAGES); do rm -f $(mandir)/man$${page##*.}/$$page; done
	rm -f $(bashdir)/ipnfs $(zshdir)/_ipnfs $(fishdir)/ipnfs.fish $(unitdir)/$(UNIT)

clean: ## remove what was built
	rm -rf build

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | sed 's,$$(MNT),$(MNT),' | expand -t 18

setup-%:
	@scripts/setup $*
