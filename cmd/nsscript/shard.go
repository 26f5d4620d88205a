package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/nsscript/nsscript/runtime/suite"
)

// An engine runs one command on many machines, and tells each by variables which one of how many it is.
type engine struct {
	name, index, count string
	first              int // the lowest index
	// Slurm's arrays begin and step as their user says.
	min, max, step string
}

// engines are those whose variables are known, each from its manual.
var engines = []engine{
	{name: "Bazel", index: "TEST_SHARD_INDEX", count: "TEST_TOTAL_SHARDS"},
	{name: "Kubernetes", index: "JOB_COMPLETION_INDEX"},
	{name: "Slurm", index: "SLURM_ARRAY_TASK_ID", count: "SLURM_ARRAY_TASK_COUNT", min: "SLURM_ARRAY_TASK_MIN",
		max: "SLURM_ARRAY_TASK_MAX", step: "SLURM_ARRAY_TASK_STEP"},
	{name: "AWS Batch", index: "AWS_BATCH_JOB_ARRAY_INDEX", count: "AWS_BATCH_JOB_ARRAY_SIZE"},
	{name: "Nomad", index: "NOMAD_ALLOC_INDEX"},
	{name: "GitLab", index: "CI_NODE_INDEX", count: "CI_NODE_TOTAL", first: 1},
	{name: "CircleCI", index: "CIRCLE_NODE_INDEX", count: "CIRCLE_NODE_TOTAL"},
	{name: "Buildkite", index: "BUILDKITE_PARALLEL_JOB", count: "BUILDKITE_PARALLEL_JOB_COUNT"},
	{name: "Bitbucket", index: "BITBUCKET_PARALLEL_STEP", count: "BITBUCKET_PARALLEL_STEP_COUNT"},
}

// parsePart is the part that --shard names: I/N, auto, or auto/N where the engine does not tell how many there are.
func parsePart(text string) (p suite.Part, err error) {
	index, count, both := strings.Cut(text, "/")
	if both {
		p.Count, err = strconv.Atoi(count)
	}
	if err != nil || both && (p.Count < 1 || strconv.Itoa(p.Count) != count) {
		return p, fmt.Errorf("--shard %s: %q is no number of parts", text, count)
	}
	if index == "auto" {
		if p, err = partOfEngine(p.Count); err != nil {
			err = fmt.Errorf("--shard %s: %w", text, err)
		}
		return p, err
	}
	if p.Index, err = strconv.Atoi(index); err != nil || !both || strconv.Itoa(p.Index) != index || p.Index < 1 ||
		p.Index > p.Count {
		return p, fmt.Errorf("--shard %s: want I/N, from 1/N to N/N, auto or auto/N", text)
	}
	return p, nil
}

// partOfEngine is the part that the variables of an engine name. count is how many there are when the command line says
// so, which must agree.
func partOfEngine(count int) (p suite.Part, err error) {
	var found, alone []engine
	for _, e := range engines {
		switch {
		case os.Getenv(e.index) != "":
			found = append(found, e)
		case e.count != "" && os.Getenv(e.count) == "1": // GitLab tells a job without others of no index
			alone = append(alone, e)
		}
	}
	if found == nil {
		found = alone
	}
	switch {
	case len(found) > 1:
		return p, fmt.Errorf("%s of %s and %s of %s are both set: say which part it is with I/N", found[0].index,
			found[0].name, found[1].index, found[1].name)
	case len(found) == 1:
		return found[0].part(count)
	case os.Getenv("BAZEL_TEST") != "":
		return suite.Part{Index: 1, Count: 1}, nil // a target without shard_count
	}
	var names []string
	for _, e := range engines {
		names = append(names, e.index+" ("+e.name+")")
	}
	return p, fmt.Errorf("no engine has set an index: none of %s", strings.Join(names, ", "))
}

func (e engine) part(count int) (p suite.Part, err error) {
	number := func(name string, missing int) int {
		text := os.Getenv(name)
		if text == "" {
			return missing
		}
		n, bad := strconv.Atoi(text)
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("%s of %s is %q, and no number", name, e.name, text))
		}
		return n
	}
	p.Count = count
	if e.count != "" {
		p.Count = number(e.count, 0)
	}
	least, step := e.first, 1
	if e.min != "" {
		least, step = number(e.min, 0), max(number(e.step, 1), 1)
		if most := number(e.max, least); err == nil && (most-least)/step+1 != p.Count {
			return p, fmt.Errorf("%s's array from %d to %d in steps of %d has %d tasks: gaps leave parts out", e.name,
				least, most, step, p.Count)
		}
	}
	index := number(e.index, least)
	p.Index = (index-least)/step + 1
	switch {
	case err != nil:
		return p, err
	case p.Count == 0:
		return p, fmt.Errorf("%s tells an index, and not how many there are: say it with auto/N", e.name)
	case count != 0 && count != p.Count:
		return p, fmt.Errorf("%s is %d", e.count, p.Count)
	case p.Index < 1 || p.Index > p.Count || (index-least)%step != 0:
		return p, fmt.Errorf("%s is %d, and there are %d parts from %d on", e.index, index, p.Count, least)
	}
	return p, nil
}
