package systemd

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitfile"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// systemd calls a unit that runs `docker run` in the foreground active as soon as
// the client is started. The engine may take its time, and what then fails would
// come after the unit has been taken for up. So the time for which such a unit has
// to stay up begins only when its container runs.

// A Container is what its engine says of a container; the zero value is one that
// is not there.
type Container struct {
	Running bool
	Pid     int       // of its program, 0 if not known
	Started time.Time // the zero time if not known
}

// containerPoll is how often an engine is asked for a container that does not run
// yet, and containerPatience how long it may take to answer.
const (
	containerPoll     = 500 * time.Millisecond
	containerPatience = 10 * time.Second
)

// A container that a unit's program is the client of.
type foreground struct {
	client, name string
	// began is when the client was started; a container that is older is another
	// one of the same name.
	began time.Time
}

// foregroundOf finds the container that a unit runs in the foreground. It is nil
// where there is none or its name is not known for sure, where the unit is told of
// its readiness by other means (Type=notify), and where another engine may be
// meant than the one that the client finds by itself.
func foregroundOf(p properties) *foreground {
	switch p.text("Type") {
	case "simple", "exec", "idle":
	default:
		return nil
	}
	commands, _ := p["ExecStart"].([][]any)
	if len(commands) != 1 || len(commands[0]) < 2 {
		return nil
	}
	program, _ := commands[0][0].(string)
	words, _ := commands[0][1].([]string)
	if len(words) == 0 {
		return nil
	}
	words = append([]string{program}, words[1:]...)
	for _, variable := range p.list("Environment") {
		name, _, _ := strings.Cut(variable, "=")
		if slices.Contains([]string{"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "CONTAINER_HOST", "CONTAINER_CONNECTION", "CONTAINERD_NAMESPACE"}, name) {
			return nil
		}
	}
	call, ok := soleRun(words, p.list("Environment"))
	if !ok {
		return nil
	}
	client := call.Invocation.Client
	if user := p.text("User"); client != "docker" && user != "" && user != "root" && user != "0" {
		return nil // it has containers of its own
	}
	f := &foreground{client: client}
	option, ok := call.Invocation.Option("--name")
	if !ok || option.Value == "" || !call.Words[option.ValueArg].Known() {
		return nil
	}
	f.name = option.Value
	if at, _ := p["ExecMainStartTimestamp"].(uint64); at > 0 {
		f.began = time.UnixMicro(int64(at))
	}
	return f
}

// soleRun finds the one container that a command line runs in the foreground,
// also in a shell script.
func soleRun(words, environment []string) (call unitimage.Call, ok bool) {
	var text strings.Builder
	text.WriteString("[Service]\n")
	for _, variable := range environment {
		text.WriteString("Environment=" + quote(variable) + "\n")
	}
	text.WriteString("ExecStart=")
	for _, w := range words {
		text.WriteString(quote(w) + " ")
	}
	doc, err := unitfile.Parse(&source.File{Bytes: []byte(text.String())})
	if err != nil {
		return call, false
	}
	for _, c := range unitimage.FindCalls(doc, unitname.Name{}).Calls {
		inv := c.Invocation
		if !c.Image || inv.Verb != "run" {
			continue
		}
		if ok {
			return call, false // which of them?
		}
		call, ok = c, true
	}
	if !ok {
		return call, false
	}
	inv := call.Invocation
	verb := call.Words[min(1, len(call.Words)-1)].Text
	_, detached := inv.Option("-d", "--detach")
	// options before the verb choose another engine
	plain := path.Base(call.Words[0].Text) == inv.Client && (verb == "run" || verb == "container")
	return call, plain && !detached && inv.Issue == nil && len(inv.Splices) == 0
}

// quote writes a word of which systemd has resolved quotes and specifiers as it
// would stand in a unit.
func quote(word string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(word) + `"`
}

// watched is a container with the way to look at it.
type watched struct {
	*foreground
	look  func(ctx context.Context, client, name string) (Container, error)
	first Container
	next  time.Time // not before then is it looked at again
}

// errBlind tells that nobody can look at the container.
var errBlind = errors.New("no engine to ask")

// runs reports whether the container runs, now or when it was last looked at.
func (w *watched) runs(ctx context.Context) (bool, error) {
	if time.Now().Before(w.next) {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, containerPatience)
	defer cancel()
	c, err := w.look(ctx, w.client, w.name)
	w.next = time.Now().Add(containerPoll)
	switch {
	case ctx.Err() != nil:
		return false, nil // a slow engine
	case err != nil:
		return false, errBlind
	case !c.Running, !c.Started.IsZero() && c.Started.Before(w.began):
		return false, nil
	}
	w.first = c
	return true, nil
}

// lasts reports whether the container that was seen running still does.
func (w *watched) lasts(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, containerPatience)
	defer cancel()
	c, err := w.look(ctx, w.client, w.name)
	if err != nil {
		return true // its unit is up, and nobody knows better
	}
	return c.Running && c.Pid == w.first.Pid && c.Started.Equal(w.first.Started)
}
