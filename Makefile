# make run    builds nsscript and runs the first lab
# make test   passes all tests
# make crash  kills nsscript at every point at which it can die, lets all that it does fail, and looks for what is left
# All install what a new machine lacks, once and quietly.

.PHONY: run test crash setup build

run: build
	./bin/nsscript --replace scripts/two_ns.star

build:
	CGO_ENABLED=0 go build -o bin/nsscript ./cmd/nsscript

test: setup
	./.ci/test

crash: setup
	./.ci/crash

setup:
	@./.ci/setup
