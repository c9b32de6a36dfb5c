package main

import (
	"context"
	"errors"
	"slices"
	"time"

	door "github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/engine/dir"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

// historyReport is the JSON document of history.
type historyReport struct {
	Engine  string   `json:"engine"`
	Owner   string   `json:"owner"`
	Changes []change `json:"changes"`
	Error   string   `json:"error,omitempty"`
}

type change struct {
	At     string `json:"at"` // "" where it is not known
	Unit   string `json:"unit"`
	Action string `json:"action"`
	From   string `json:"from"`
	To     string `json:"to"`
	Result string `json:"result"`
}

func historyFailure(err error) any {
	return historyReport{Changes: []change{}, Error: err.Error()}
}

func runHistory(_ context.Context, call *door.Call) error {
	set, err := parse(call)
	if err != nil {
		return err
	}
	revisions, err := history(call, set)
	if err != nil {
		return err
	}
	doc := historyReport{Engine: set.kind, Owner: set.opts.Owner, Changes: []change{}}
	for _, r := range revisions {
		if len(call.Files) > 0 && !slices.Contains(call.Files, r.Unit) {
			continue
		}
		c := change{Unit: r.Unit, Action: string(r.Action), From: r.From, To: r.To, Result: r.Outcome}
		if !r.At.IsZero() {
			c.At = r.At.UTC().Format(time.RFC3339)
		}
		doc.Changes = append(doc.Changes, c)
	}
	var none error
	if len(call.Files) > 0 && len(doc.Changes) == 0 {
		none = door.Errorf(door.No, "the record knows of no change of %q", call.Files[0])
		doc.Error = none.Error()
	}
	if call.Bool("json") {
		return errors.Join(call.JSON(doc), none)
	}
	var rows [][]string
	for _, c := range doc.Changes {
		rows = append(rows, []string{orDash(c.At), c.Action, c.Unit, fromTo(c.From, c.To), c.Result})
	}
	return errors.Join(call.Printf("%s", table(rows)), none)
}

// history reads the record, oldest change first.
func history(call *door.Call, s settings) ([]plan.Revision, error) {
	folder := dir.Folder{Owner: s.opts.Owner}
	switch s.kind {
	case "dir":
		folder.Path = s.target
	case "systemd":
		folder.Path = call.String("unit-dir")
	default:
		return nil, door.Errorf(door.Usage, "the engine %q keeps no earlier versions", s.kind).
			WithHint("dir and systemd do")
	}
	if folder.Path == "" {
		return nil, noTarget()
	}
	notes, err := folder.History()
	if err != nil {
		return nil, fromEngine(s, err)
	}
	return plan.Revisions(notes), nil
}

func runRollback(ctx context.Context, call *door.Call, r *ran) (err error) {
	set, err := parse(call)
	if err != nil {
		return err
	}
	engine, done, err := connect(ctx, call, &set)
	if err != nil {
		return err
	}
	defer done()
	s := &session{settings: set, engine: engine, close: done}
	if !call.Bool("dry-run") {
		release, err := s.lock(ctx, call)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, release()) }()
	}
	revisions, err := history(call, s.settings)
	if err != nil {
		return err
	}
	back, err := plan.Back(revisions, call.Files)
	if err != nil {
		return door.Errorf(door.No, "%w", err).WithHint("confapply history shows what it knows")
	}
	observed, err := engine.Observe(ctx, back)
	if err != nil {
		return fromEngine(s.settings, err)
	}
	s.opts.AllowEmpty = true
	for _, u := range back {
		s.opts.Select.Names = append(s.opts.Select.Names, u.Name)
	}
	s.wanted = plan.Amid(back, observed)
	p := plan.Make(s.wanted, observed, s.opts)
	if call.Bool("dry-run") {
		return show(call, s, p)
	}
	return carryOut(ctx, call, s, p, r)
}
