package main

import (
	"context"
	"errors"
	"strings"
	"time"

	door "github.com/unitstamp/unitstamp/internal/cli"
	"github.com/unitstamp/unitstamp/internal/containerclient"
	"github.com/unitstamp/unitstamp/pkg/apply"
	"github.com/unitstamp/unitstamp/pkg/engine/systemd"
	"github.com/unitstamp/unitstamp/pkg/plan"
)

// puller fetches the new images of units before anything is stopped.
type puller struct {
	call    *door.Call
	wanted  map[string]plan.Unit
	limits  apply.Limits
	command []string // as asked for; none is each image's own client
	clients map[string]*containerclient.Client
	pulled  map[plan.Image]error
}

// prepare is what apply.Params wants, nil if nothing is to be pulled.
func prepare(call *door.Call, s *session) func(context.Context, *plan.Step) error {
	command := strings.Fields(call.String("pull-command"))
	if !call.Bool("pull") && len(command) == 0 {
		return nil
	}
	p := &puller{
		call: call, limits: s.limits, command: command,
		wanted: map[string]plan.Unit{}, clients: map[string]*containerclient.Client{}, pulled: map[plan.Image]error{},
	}
	for _, u := range s.wanted {
		p.wanted[u.Name] = u
	}
	return p.step
}

func (p *puller) step(ctx context.Context, step *plan.Step) error {
	for _, image := range plan.NewImages(step, p.wanted[step.Unit]) {
		if err := p.pull(ctx, image); err != nil {
			return apply.Unitf("%s could not be pulled: %s", image.Reference, door.MaskSecrets(err.Error()))
		}
	}
	return nil
}

// pull fetches an image once, whatever comes of it.
func (p *puller) pull(ctx context.Context, image plan.Image) error {
	if err, done := p.pulled[image]; done {
		return err
	}
	client, err := p.client(image.Client)
	if err != nil || client == nil {
		return err
	}
	began := time.Now()
	if !p.call.Progress(func(now time.Time) (string, string) { return "pull " + image.Reference, lasted(now.Sub(began)) }) {
		p.call.Note("pull %s …", image.Reference)
	}
	if p.limits.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, p.limits.Timeout, errors.New("not done within "+p.limits.Timeout.String()))
		defer cancel()
	}
	err = client.Pull(ctx, image.Reference)
	p.call.Progress(nil)
	how := "done"
	switch {
	case errors.Is(err, containerclient.ErrShort):
		how, err = "left to "+image.Client+": "+err.Error(), nil
	case err != nil:
		how = "failed"
	}
	p.call.Note("pull %s: %s (%s)", image.Reference, how, seconds(time.Since(began)))
	p.pulled[image] = err
	return err
}

// client is what a client pulls by; one that is not at hand is said once, and is nil.
func (p *puller) client(name string) (*containerclient.Client, error) {
	if len(p.command) > 0 {
		client := containerclient.Command(p.command)
		return &client, nil
	}
	client, known := p.clients[name]
	if !known {
		found, err := containerclient.Find(name, p.call.Env.Getenv)
		switch {
		case errors.Is(err, containerclient.ErrNoClient):
			p.call.Note("%s is not at hand: its images are not pulled beforehand", name)
		case err != nil:
			return nil, err
		default:
			client = &found
		}
		p.clients[name] = client
	}
	return client, nil
}

// lookAtContainers is what the systemd engine wants.
func lookAtContainers(call *door.Call) func(ctx context.Context, client, name string) (systemd.Container, error) {
	return func(ctx context.Context, client, name string) (systemd.Container, error) {
		found, err := containerclient.Find(client, call.Env.Getenv)
		if err != nil {
			return systemd.Container{}, err
		}
		state, err := found.Look(ctx, name)
		return systemd.Container(state), err
	}
}
