package main

import (
	"cmp"
	"errors"
	"os"
	"strings"
)

// underBazel does what Bazel asks of a test by variables (the test encyclopedia): it selects and reports as these say,
// and ended is to be told of the exit code.
func (o *testOptions) underBazel() (ended func(code int) error, err error) {
	if os.Getenv("BAZEL_TEST") == "" {
		return func(int) error { return nil }, nil
	}
	o.run = cmp.Or(o.run, os.Getenv("TESTBRIDGE_TEST_ONLY"))
	o.junit = cmp.Or(o.junit, os.Getenv("XML_OUTPUT_FILE"))
	o.FailFast = o.FailFast || os.Getenv("TESTBRIDGE_TEST_RUNNER_FAIL_FAST") == "1"
	// There while the test runs: one that leaves it behind has died.
	dies := os.Getenv("TEST_PREMATURE_EXIT_FILE")
	// There once the runner has been told that this one knows of parts.
	knows := ""
	if strings.HasPrefix(o.shard, "auto") {
		knows = os.Getenv("TEST_SHARD_STATUS_FILE")
	}
	for _, file := range []string{dies, knows} {
		if file != "" {
			err = errors.Join(err, os.WriteFile(file, nil, 0o666))
		}
	}
	return func(code int) (err error) {
		if fails := os.Getenv("TEST_INFRASTRUCTURE_FAILURE_FILE"); fails != "" && code == exitMachine {
			err = os.WriteFile(fails, []byte("this machine could not run some of the tests\n"), 0o666)
		}
		if dies != "" {
			err = errors.Join(err, os.Remove(dies))
		}
		return err
	}, err
}
