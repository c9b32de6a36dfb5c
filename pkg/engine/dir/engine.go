package dir

import (
	"context"
	"errors"

	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

// An Engine writes units into a folder and runs nothing.
type Engine struct{ Folder }

// New makes an engine for a folder, which need not be there yet.
func New(path, owner string) *Engine {
	return &Engine{Folder{Path: path, Owner: owner}}
}

// Check takes every unit.
func (e *Engine) Check([]plan.Unit) error { return nil }

// Observe looks at the folder.
func (e *Engine) Observe(_ context.Context, wanted []plan.Unit) (*plan.Observed, error) {
	return e.Folder.Observe(wanted)
}

// Change writes the files of all steps together.
func (e *Engine) Change(_ context.Context, group []*plan.Step, _ apply.Limits) map[string]apply.Failure {
	if err := e.Record(group, true); err != nil {
		return FailAll(group, apply.Failure{Err: err, Untouched: true})
	}
	var changes []plan.Change
	for _, s := range group {
		changes = append(changes, s.Changes...)
	}
	if err := e.Write(changes); err != nil {
		var write *WriteError
		return FailAll(group, apply.Failure{Err: err, Untouched: errors.As(err, &write) && write.Untouched})
	}
	return map[string]apply.Failure{}
}

// Watch has nothing to wait for.
func (e *Engine) Watch(context.Context, *plan.Step, apply.Limits) error { return nil }

// Commit records that the steps are done.
func (e *Engine) Commit(steps []*plan.Step) error { return e.Record(steps, false) }

// FailAll is the same failure for every step of a group.
func FailAll(group []*plan.Step, f apply.Failure) map[string]apply.Failure {
	failures := make(map[string]apply.Failure, len(group))
	for _, s := range group {
		failures[s.Unit] = f
	}
	return failures
}
