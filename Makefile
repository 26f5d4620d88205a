# make run   builds nsscript and runs the first lab
# make test  passes all tests
# Both install what a new machine lacks, once and quietly.

.PHONY: run test setup build

run: build
	./bin/nsscript --replace scripts/two_ns.star

build:
	CGO_ENABLED=0 go build -o bin/nsscript ./cmd/nsscript

test: setup
	./.ci/test

setup:
	@./.ci/setup
