package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/unitstamp/unitstamp/internal/atomicfile"
	door "github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

// ran is what is known of a run when it is over; results is nil if it did not
// come to a plan.
type ran struct {
	began, ended time.Time
	code         int
	results      []apply.Result
}

// measured makes a command leave a file of metrics behind if it is told to,
// however it ends.
func measured(run func(context.Context, *door.Call, *ran) error) func(context.Context, *door.Call) error {
	return func(ctx context.Context, call *door.Call) error {
		r := &ran{began: time.Now()}
		err := run(ctx, call, r)
		file := call.String("metrics-file")
		if file == "" {
			return err
		}
		r.ended, r.code = time.Now(), door.ExitCode(err)
		if failed := replace(file, metrics(r, call.String("engine"), call.String("owner"))); failed != nil {
			return errors.Join(err, door.Errorf(door.World, "--metrics-file: %w", failed))
		}
		return err
	}
}

func replace(file, text string) error {
	var b atomicfile.Batch
	defer b.Discard()
	if err := b.Create(file, []byte(text), 0o644); err != nil {
		return err
	}
	return b.Commit()
}

// metrics is the text that Prometheus's node_exporter collects from files
// (https://prometheus.io/docs/instrumenting/exposition_formats/).
func metrics(r *ran, engine, owner string) string {
	m := exposition{base: []string{"engine", engine, "owner", owner}}
	m.head("confapply_last_run_timestamp_seconds", "When the last run ended, in seconds since 1970.")
	m.sample(float64(r.ended.UnixMilli()) / 1000)
	m.head("confapply_last_run_duration_seconds", "How long the last run took.")
	m.sample(float64(r.ended.Sub(r.began).Milliseconds()) / 1000)
	m.head("confapply_last_run_exit_code", "The exit code of the last run: 0 is good.")
	m.sample(float64(r.code))
	if r.results == nil {
		return m.text.String()
	}
	changed, unchanged, drifted := 0, 0, 0
	outcomes := map[apply.Outcome]int{}
	for _, result := range r.results {
		switch {
		case !result.Step.Acts():
			unchanged++
			if result.Step.Drifted {
				drifted++
			}
		case result.Outcome == apply.Done:
			changed++
		default:
			outcomes[result.Outcome]++
		}
	}
	m.head("confapply_last_run_units", "How many units the last run brought to each result.")
	m.sample(float64(changed), "result", "changed")
	m.sample(float64(outcomes[apply.Failed]), "result", "failed")
	m.sample(float64(outcomes[apply.RolledBack]), "result", "rolled-back")
	m.sample(float64(outcomes[apply.Skipped]), "result", "skipped")
	m.sample(float64(unchanged), "result", "unchanged")
	m.head("confapply_drifted_units", "How many units were changed or stopped by hand or have failed, and were left so.")
	m.sample(float64(drifted))
	m.head("confapply_unit_info", "The build that is wanted of each unit and the one that is there.")
	byUnit := func(a, b apply.Result) int { return cmp.Compare(a.Step.Unit, b.Step.Unit) }
	for _, result := range slices.SortedFunc(slices.Values(r.results), byUnit) {
		step := result.Step
		running := step.From
		if step.Acts() && result.Outcome == apply.Done {
			running = step.To
			if step.Action == plan.Delete {
				continue
			}
		}
		m.sample(1, "unit", step.Unit, "desired", step.To, "running", running)
	}
	return m.text.String()
}

// exposition is text in Prometheus's format.
type exposition struct {
	text strings.Builder
	base []string // labels of every sample: name, value, …
	name string
}

// head begins a metric.
func (m *exposition) head(name, help string) {
	m.name = name
	fmt.Fprintf(&m.text, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// sample adds a value of the metric, with more labels.
func (m *exposition) sample(value float64, labels ...string) {
	m.text.WriteString(m.name)
	before := "{"
	for pair := range slices.Chunk(slices.Concat(m.base, labels), 2) {
		fmt.Fprintf(&m.text, `%s%s="%s"`, before, pair[0], labelEscapes.Replace(pair[1]))
		before = ","
	}
	fmt.Fprintf(&m.text, "} %s\n", strconv.FormatFloat(value, 'f', -1, 64))
}
