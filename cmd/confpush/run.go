package main

import (
	"context"

	door "github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/pkg/confrepo"
	"github.com/unitstamp/unitstamp/pkg/guard"
)

func run(ctx context.Context, call *door.Call) error {
	o, err := readOrder(call)
	if err != nil {
		return err
	}
	if o.detached {
		call.Note("no branch is given and the build has none; using the one that the remote's HEAD names")
	}
	for _, note := range sshNotes(o.target.URL, call.Env.Getenv) {
		call.Note("%s", note)
	}
	o.options.Step = func(line string) { call.Note("%s", line) }
	for _, f := range o.request.Files {
		o.options.Paths = append(o.options.Paths, f.Path)
	}
	o.options.Remote = func(line string) { call.Note("remote: %s", line) }
	ctx, cancel := context.WithTimeout(ctx, call.Duration("deadline"))
	defer cancel()
	var outcome guard.Outcome
	if !call.Bool("no-queue") {
		if o.options.Queue = o.queue(&outcome); o.options.Queue != nil {
			o.options.Queue.Open = call.Bool("queue-open")
		}
	}
	result, err := confrepo.Publish(ctx, o.target, func(tip *confrepo.Tip) (d confrepo.Decision, err error) {
		o.request.ID = tip.Request
		outcome, err = guard.Decide(view{tip}, o.request)
		return decision(outcome, o.author, o.commit), err
	}, o.options)
	if err == nil {
		for _, note := range outcome.Notes {
			call.Note("%s", note)
		}
	}
	return printOutcome(call, o, outcome, result, doorError(err))
}

// queue lets other jobs carry the order out, and this one theirs. What becomes of
// the order elsewhere is written to outcome. An order that is too large for that
// has no queue.
func (o *order) queue(outcome *guard.Outcome) *confrepo.Queue {
	text, err := guard.WriteRequest(o.request)
	if err != nil {
		return nil
	}
	return &confrepo.Queue{
		Request: text, Author: o.author, Committer: o.commit, RequestOf: guard.RequestOf,
		Decide: func(text []byte, tip *confrepo.Tip) (confrepo.Decision, error) {
			r, err := guard.ReadRequest(text)
			if err != nil {
				return confrepo.Decision{}, err
			}
			r.ID = tip.Request
			out, err := guard.Decide(view{tip}, r)
			return decision(out, confrepo.Signature{}, confrepo.Signature{}), err
		},
		Landed: func(c confrepo.Commit) { *outcome = guard.Carried(o.request, c.Message) },
	}
}

// decision turns what may be done into changes of the repository.
func decision(out guard.Outcome, author, committer confrepo.Signature) confrepo.Decision {
	d := confrepo.Decision{Message: out.Message, Author: author, Committer: committer}
	for _, f := range out.Files {
		if f.Action != guard.Unchanged {
			d.Changes = append(d.Changes, confrepo.Change{Path: f.Path, Content: f.After, Remove: f.Action == guard.Removed})
		}
	}
	return d
}

// view shows a tip of the repository to the guard.
type view struct{ tip *confrepo.Tip }

func (v view) Tip() guard.Commit { return commit(v.tip.Commit()) }
func (v view) NewBranch() bool   { return v.tip.New }

func (v view) File(path string) ([]byte, bool, error) {
	f, exists, err := v.tip.File(path)
	return f.Content, exists, err
}

func (v view) Ancestors(generations int) ([]guard.Commit, error) {
	all, err := v.tip.Ancestors(generations)
	commits := make([]guard.Commit, len(all))
	for i, c := range all {
		commits[i] = commit(c)
	}
	return commits, err
}

func (v view) ChangedSince(c guard.Commit) ([]guard.Difference, error) {
	found, err := v.tip.ChangedSince(c.ID)
	differences := make([]guard.Difference, len(found))
	for i, d := range found {
		differences[i] = guard.Difference(d)
	}
	return differences, err
}

func (v view) Blob(id string) ([]byte, error) { return v.tip.Blob(id) }

func commit(c confrepo.Commit) guard.Commit {
	return guard.Commit{ID: c.ID, Parents: c.Parents, Message: c.Message, Distance: c.Distance}
}
