package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	door "github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/plan"
	"github.com/unitstamp/unitstamp/pkg/unitset"
)

// session is one run with its target at hand.
type session struct {
	settings
	engine apply.Engine
	wanted []plan.Unit
	close  func()
}

// begin reads the flags and the wanted units, and reaches for the target.
func begin(ctx context.Context, call *door.Call) (*session, error) {
	set, err := parse(call)
	if err != nil {
		return nil, err
	}
	wanted, err := unitset.Read(set.units, set.target)
	if err != nil {
		var unit *unitset.Error
		if errors.As(err, &unit) && unit.Hint != "" {
			return nil, door.Errorf(door.Usage, "%w", err).WithHint("%s", unit.Hint)
		}
		return nil, door.Errorf(door.Usage, "%w", err)
	}
	if err := plan.Validate(wanted); err != nil {
		var input *plan.InputError
		if errors.As(err, &input) && input.Hint != "" {
			return nil, door.Errorf(door.Usage, "%w", err).WithHint("%s", input.Hint)
		}
		return nil, door.Errorf(door.Usage, "%w", err)
	}
	engine, done, err := connect(ctx, call, &set)
	if err != nil {
		return nil, err
	}
	if err := engine.Check(wanted); err != nil {
		done()
		if bad := badUnit(err); bad != nil {
			return nil, bad
		}
		return nil, door.Errorf(door.Usage, "%w", err)
	}
	return &session{settings: set, engine: engine, wanted: wanted, close: done}, nil
}

// plan observes the target and decides.
func (s *session) plan(ctx context.Context) (*plan.Plan, *plan.Observed, error) {
	observed, err := s.engine.Observe(ctx, s.wanted)
	if err != nil {
		return nil, nil, fromEngine(s.settings, err)
	}
	return plan.Make(s.wanted, observed, s.opts), observed, nil
}

// verdict is the error that a plan's refusals, or an empty selection, come to.
func verdict(call *door.Call, s *session, p *plan.Plan) error {
	if n := len(p.Refusals); n > 0 {
		for _, r := range p.Refusals[:n-1] {
			call.Error(errors.New(r.Reason))
			call.Hint(r.Hint)
		}
		last := p.Refusals[n-1]
		return door.Errorf(door.Refused, "%s", last.Reason).WithHint("%s", last.Hint)
	}
	if p.Matched == 0 && !s.opts.Select.All() {
		return door.Errorf(door.No, "no unit is selected").
			WithHint("--only, --branch, --build and --image must all hold; confapply status shows the units")
	}
	return nil
}

func runPlan(ctx context.Context, call *door.Call) error {
	s, err := begin(ctx, call)
	if err != nil {
		return err
	}
	defer s.close()
	p, _, err := s.plan(ctx)
	if err != nil {
		return err
	}
	return show(call, s, p)
}

// show prints a plan that is not carried out.
func show(call *door.Call, s *session, p *plan.Plan) error {
	results := make([]apply.Result, 0, len(p.Steps))
	for _, step := range p.Steps {
		results = append(results, apply.Result{Step: step, Outcome: apply.Planned, Reason: step.Reason})
	}
	refused := verdict(call, s, p)
	var err error
	if call.Bool("json") {
		err = call.JSON(document(call, s, results, refused))
	} else {
		err = printPlan(call, p)
	}
	switch {
	case err != nil:
		return err
	case refused != nil:
		return refused
	case call.Bool("check") && p.Changes():
		return door.Exit(door.No)
	}
	return nil
}

func runApply(ctx context.Context, call *door.Call, r *ran) (err error) {
	s, err := begin(ctx, call)
	if err != nil {
		return err
	}
	defer s.close()
	release, err := s.lock(ctx, call)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	p, _, err := s.plan(ctx)
	if err != nil {
		return err
	}
	return carryOut(ctx, call, s, p, r)
}

// lock keeps other runs away from the target.
func (s *session) lock(ctx context.Context, call *door.Call) (release func() error, err error) {
	release, err = s.engine.Lock(ctx, call.Bool("wait"))
	if errors.Is(err, apply.ErrLocked) {
		return nil, door.Errorf(door.Refused, "%w", err).WithHint("--wait waits for it to end")
	}
	if err != nil {
		return nil, fromEngine(s.settings, err)
	}
	return release, nil
}

// carryOut prints a plan, carries it out unless it must not be, and reports.
func carryOut(ctx context.Context, call *door.Call, s *session, p *plan.Plan, r *ran) error {
	json := call.Bool("json")
	if !json {
		if err := printPlan(call, p); err != nil {
			return err
		}
	}
	if refused := verdict(call, s, p); refused != nil {
		r.results = skipped(p)
		if json {
			return errors.Join(call.JSON(document(call, s, r.results, refused)), refused)
		}
		return refused
	}
	steps := newProgress(call, s, p)
	defer steps.done()
	r.results = apply.Run(ctx, apply.Params{
		Engine: s.engine, Plan: p, Limits: s.limits, Batch: call.Int("batch"), KeepGoing: call.Bool("keep-going"), Now: time.Now,
		Prepare: prepare(call, s),
		Begin:   steps.begin, Reach: steps.reach, End: steps.end,
	})
	outcome := judge(ctx, r.results)
	if json {
		return errors.Join(call.JSON(document(call, s, r.results, outcome)), outcome)
	}
	return errors.Join(printReport(call, r.results), outcome)
}

// skipped are the results of a plan that is not carried out.
func skipped(p *plan.Plan) []apply.Result {
	results := []apply.Result{}
	for _, step := range p.Steps {
		results = append(results, apply.Result{Step: step, Outcome: apply.Skipped, Reason: step.Reason})
	}
	return results
}

// judge is the error that the results come to.
func judge(ctx context.Context, results []apply.Result) error {
	failed, world := 0, false
	for _, r := range results {
		if r.Outcome == apply.Failed || r.Outcome == apply.RolledBack {
			failed++
			world = world || r.World
		}
	}
	switch {
	case ctx.Err() != nil:
		return door.Errorf(door.World, "interrupted")
	case failed == 0:
		return nil
	case world:
		return door.Errorf(door.World, "%s failed", count(failed, "unit"))
	}
	return door.Errorf(door.No, "%s did not come up", count(failed, "unit"))
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
