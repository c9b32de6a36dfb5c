package systemd

import (
	"context"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"

	systemd "github.com/coreos/go-systemd/v22/dbus"

	"github.com/unitstamp/unitstamp/pkg/plan"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// Observe looks at the unit folder and asks systemd about the wanted and the
// owned units.
func (e *Engine) Observe(ctx context.Context, wanted []plan.Unit) (*plan.Observed, error) {
	observed, err := e.Folder.Observe(wanted)
	if err != nil {
		return nil, err
	}
	observed.Running = true
	observed.States = map[string]plan.State{}
	observed.Instances = map[string][]string{}

	var names, templates []string
	noted := map[string]bool{}
	note := func(name string) {
		switch {
		case unitname.IsQuadlet(name) || noted[name]:
		case unitname.IsTemplate(name):
			templates = append(templates, name)
		default:
			names = append(names, name)
		}
		noted[name] = true
	}
	ours := map[string]bool{}
	for _, u := range wanted {
		note(u.Name)
		for p := range u.Files {
			ours[p] = true
		}
	}
	for name, entry := range observed.Owned {
		note(name)
		for p := range entry.Files {
			ours[p] = true
		}
	}
	slices.Sort(names)

	if len(templates) > 0 {
		instances, err := e.observeTemplates(ctx, templates, observed)
		if err != nil {
			return nil, err
		}
		names = append(names, instances...)
	}
	if len(names) == 0 {
		return observed, nil
	}
	var units []systemd.UnitStatus
	err = e.ask(ctx, func(conn *systemd.Conn) (err error) {
		units, err = conn.ListUnitsByNamesContext(ctx, names)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, u := range units {
		if u.LoadState == "not-found" && u.ActiveState == "inactive" {
			observed.States[u.Name] = plan.State{Load: u.LoadState, Active: u.ActiveState, Sub: u.SubState}
			continue
		}
		p, err := e.properties(ctx, u.Name)
		if err != nil {
			return nil, err
		}
		state := e.state(p)
		state.Note = e.foreignDropins(u.Name, p.list("DropInPaths"), ours)
		observed.States[u.Name] = state
	}
	return observed, nil
}

// foreignDropins names the drop-ins of a unit that are not ours, "" if there are none.
// What somebody set for many units at once is not among them.
func (e *Engine) foreignDropins(unit string, paths []string, ours map[string]bool) string {
	var foreign []string
	for _, p := range paths {
		if below, inside := strings.CutPrefix(p, e.Path+"/"); inside && ours[below] || filepath.Base(filepath.Dir(p)) != unit+".d" {
			continue
		}
		foreign = append(foreign, p)
	}
	if len(foreign) == 0 {
		return ""
	}
	return "also set by " + strings.Join(foreign, ", ")
}

// observeTemplates finds the live instances of templates, and whether templates
// come from elsewhere.
func (e *Engine) observeTemplates(ctx context.Context, templates []string, observed *plan.Observed) ([]string, error) {
	var units []systemd.UnitStatus
	var files []systemd.UnitFile
	err := e.ask(ctx, func(conn *systemd.Conn) (err error) {
		if units, err = conn.ListUnitsContext(ctx); err == nil {
			files, err = conn.ListUnitFilesByPatternsContext(ctx, nil, templates)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var instances []string
	for _, u := range units {
		template := unitname.TemplateOf(u.Name)
		if template == "" || u.ActiveState == "inactive" || !slices.Contains(templates, template) {
			continue
		}
		observed.Instances[template] = append(observed.Instances[template], u.Name)
		if _, known := observed.States[u.Name]; !known {
			instances = append(instances, u.Name)
		}
	}
	for _, list := range observed.Instances {
		slices.Sort(list)
	}
	for _, f := range files {
		name := filepath.Base(f.Path)
		observed.States[name] = plan.State{Load: "loaded", Active: "inactive", Fragment: f.Path, Vendor: e.elsewhere(f.Path)}
	}
	slices.Sort(instances)
	return slices.Compact(instances), nil
}

// elsewhere reports whether a unit file lies outside the unit folder.
func (e *Engine) elsewhere(fragment string) bool {
	if fragment == "" || fragment == "/dev/null" {
		return false
	}
	folder := filepath.Dir(fragment)
	if folder == e.Path {
		return false
	}
	real, err := filepath.EvalSymlinks(e.Path)
	return err != nil || folder != real
}

// properties are all properties of a unit, by systemd's names.
type properties map[string]any

func (e *Engine) properties(ctx context.Context, name string) (p properties, err error) {
	err = e.ask(ctx, func(conn *systemd.Conn) (err error) {
		p, err = conn.GetAllPropertiesContext(ctx, name)
		return err
	})
	return p, err
}

func (p properties) text(name string) string { s, _ := p[name].(string); return s }
func (p properties) flag(name string) bool   { b, _ := p[name].(bool); return b }
func (p properties) list(name string) []string {
	l, _ := p[name].([]string)
	return l
}

func (p properties) invocation() string {
	id, _ := p["InvocationID"].([]byte)
	return hex.EncodeToString(id)
}

func (p properties) restarts() uint32 { n, _ := p["NRestarts"].(uint32); return n }

// unmet reports whether the last start was skipped because of a condition.
func (p properties) unmet() bool {
	at, _ := p["ConditionTimestamp"].(uint64)
	return at != 0 && !p.flag("ConditionResult") && p.text("ActiveState") == "inactive"
}

// job is the number of the job that is under way, 0 if none is.
func (p properties) job() uint32 {
	job, _ := p["Job"].([]any)
	if len(job) == 0 {
		return 0
	}
	id, _ := job[0].(uint32)
	return id
}

// up reports whether the unit runs or is on its way.
func (p properties) up() bool { return plan.State{Active: p.text("ActiveState")}.Up() }

func (e *Engine) state(p properties) plan.State {
	return plan.State{
		Load: p.text("LoadState"), Active: p.text("ActiveState"), Sub: p.text("SubState"), Result: p.text("Result"),
		Fragment: p.text("FragmentPath"), Vendor: e.elsewhere(p.text("FragmentPath")),
		NeedReload: p.flag("NeedDaemonReload"), Unmet: p.unmet(),
		Invocation: p.invocation(), Restarts: p.restarts(),
	}
}
