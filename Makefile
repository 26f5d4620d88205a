# make run    builds nsscript and runs the first lab
# make check  runs the short tests, for every day
# make test   runs all tests
# make crash  kills nsscript at every point at which it can die, lets all that it does fail, and looks for what is left
# make install copies nsscript and the shells' completions of it below PREFIX; make uninstall removes them
# All install what a new machine lacks, once and quietly.

PREFIX ?= /usr/local
BIN = $(DESTDIR)$(PREFIX)/bin
SHARE = $(DESTDIR)$(PREFIX)/share
BASH_COMPLETION = $(SHARE)/bash-completion/completions/nsscript
ZSH_COMPLETION = $(SHARE)/zsh/site-functions/_nsscript
FISH_COMPLETION = $(SHARE)/fish/vendor_completions.d/nsscript.fish

.PHONY: run check test crash setup build install uninstall

run: build
	./bin/nsscript --replace scripts/two_ns.star

build:
	CGO_ENABLED=0 go build -ldflags='-s -w' -o bin/nsscript ./cmd/nsscript

check: setup
	./.ci/check
	go test -short ./...

test: setup
	./.ci/test

crash: setup
	./.ci/crash

setup:
	@./.ci/setup

install: build
	install -D -m 755 bin/nsscript $(BIN)/nsscript
	install -d $(dir $(BASH_COMPLETION) $(ZSH_COMPLETION) $(FISH_COMPLETION))
	./bin/nsscript completion bash >$(BASH_COMPLETION)
	./bin/nsscript completion zsh >$(ZSH_COMPLETION)
	./bin/nsscript completion fish >$(FISH_COMPLETION)

uninstall:
	rm -f $(BIN)/nsscript $(BASH_COMPLETION) $(ZSH_COMPLETION) $(FISH_COMPLETION)
