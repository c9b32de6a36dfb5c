package plan

import "testing"

// TestUnknown: what nothing is known of is no drift and not repaired; it may be up, and
// is changed as if it were.
func TestUnknown(t *testing.T) {
	const oneshot = "[Service]\nType=oneshot\nExecStart=/usr/bin/docker run myrepo/a:57-develop\n"
	for name, tt := range map[string]struct {
		state      State
		have, want string
		action     Action
		effect     Effect
		reason     string
	}{
		"kept":     {State{Unknown: true, Idle: "the machine is away"}, v1, v1, None, DoNothing, "up to date, the machine is away"},
		"oneshot":  {State{Unknown: true, Idle: "the machine is away"}, oneshot, oneshot, None, DoNothing, "up to date, the machine is away"},
		"changed":  {State{Unknown: true, Idle: "the machine is away"}, v1, v2, Update, DoRestart, "ExecStart differs"},
		"dropped":  {State{Unknown: true, Idle: "the machine is away"}, v1, "", Delete, DoStop, "no longer wanted, the machine is away"},
		"put off":  {State{Unknown: true, Idle: "the machine is away"}, v1, v1 + "[Unit]\nDescription=a\n", None, DoNothing, "Description differs, no restart, put off: any change would restart it"},
		"noted":    {State{Active: "active", Note: "it runs twice"}, v1, v1, None, DoNothing, "up to date, it runs twice"},
		"note, up": {State{Active: "active", Note: "it runs twice"}, v1, "", Delete, DoStop, "no longer wanted, it runs twice"},
	} {
		for _, repair := range []bool{false, true} {
			w := world{files: map[string]string{"a.service": tt.have}, owned: map[string]string{"a.service": tt.have}}
			o := w.observed()
			o.Replaces = true
			o.States["a.service"] = tt.state
			wanted := map[string]string{}
			if tt.want != "" {
				wanted["a.service"] = tt.want
			}
			s := Make(units(wanted), o, Options{Owner: "me", Repair: repair, AllowEmpty: true, MaxDelete: Limit{N: 1}}).Steps[0]
			if s.Action != tt.action || s.Effect != tt.effect || s.Reason != tt.reason || s.Drifted {
				t.Errorf("%s, repair %v: %s %v %q, drifted %v", name, repair, s.Action, s.Effect, s.Reason, s.Drifted)
			}
		}
	}
}
