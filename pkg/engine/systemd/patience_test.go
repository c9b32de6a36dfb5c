package systemd

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/unitstamp/unitstamp/pkg/apply"
)

func TestPatience(t *testing.T) {
	const usual = 10 * time.Minute
	infinity := uint64(math.MaxUint64)
	minutes := func(n int) uint64 { return uint64(n) * 60_000_000 }
	one := [][]any{{"/bin/true"}}
	slow := properties{"TimeoutStartUSec": minutes(30), "TimeoutStopUSec": minutes(1), "ExecStart": one}
	for _, tt := range []struct {
		name   string
		limits apply.Limits
		of     span
		units  []properties
		want   time.Duration
	}{
		{"shorter", apply.Limits{Timeout: usual, Usual: true}, starting, []properties{{"TimeoutStartUSec": minutes(2), "ExecStart": one}}, usual},
		{"longer", apply.Limits{Timeout: usual, Usual: true}, starting, []properties{slow}, 31 * time.Minute},
		{"said by the user", apply.Limits{Timeout: usual}, starting, []properties{slow}, usual},
		{"shorter by the user", apply.Limits{Timeout: 2 * time.Second}, starting, []properties{slow}, 2 * time.Second},
		{"for ever by the user", apply.Limits{}, starting, []properties{slow}, 0},
		{"infinity", apply.Limits{Timeout: usual, Usual: true}, starting, []properties{{"TimeoutStartUSec": infinity, "ExecStart": one}}, usual},
		{"infinity to start, less to stop", apply.Limits{Timeout: usual, Usual: true}, starting | stopping,
			[]properties{{"TimeoutStartUSec": infinity, "TimeoutStopUSec": minutes(6), "ExecStart": one}}, 13 * time.Minute},
		{"each command", apply.Limits{Timeout: usual, Usual: true}, starting,
			[]properties{{"TimeoutStartUSec": minutes(8), "ExecStartPre": [][]any{{"a"}, {"b"}}, "ExecStart": one}}, 25 * time.Minute},
		{"stop", apply.Limits{Timeout: usual, Usual: true}, stopping, []properties{{"TimeoutStartUSec": minutes(90), "TimeoutStopUSec": minutes(6)}}, 13 * time.Minute},
		{"restart", apply.Limits{Timeout: usual, Usual: true}, starting | stopping, []properties{slow}, 33 * time.Minute},
		{"mount", apply.Limits{Timeout: usual, Usual: true}, starting, []properties{{"TimeoutUSec": minutes(20)}}, 21 * time.Minute},
		{"two, one after the other", apply.Limits{Timeout: usual, Usual: true}, starting, []properties{slow, {"TimeoutStartUSec": minutes(1)}, slow}, 52 * time.Minute},
		{"longer than all times", apply.Limits{Timeout: usual, Usual: true}, starting | stopping,
			[]properties{{"TimeoutStartUSec": uint64(math.MaxInt64 / 1000), "TimeoutStopUSec": uint64(math.MaxInt64 / 1000), "ExecStartPre": one, "ExecStart": one}}, math.MaxInt64},
		{"not there", apply.Limits{Timeout: usual, Usual: true}, starting | stopping, []properties{nil}, usual},
	} {
		var own []time.Duration
		for _, p := range tt.units {
			own = append(own, p.ownTime(tt.of))
		}
		got := patience(tt.limits, own...)
		if tt.want == math.MaxInt64 && got > 100*365*24*time.Hour {
			continue
		}
		if got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestWithin: whose time is over failed by itself, and whoever ends the run did not.
func TestWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer, stop := context.WithCancel(t.Context())
		ctx, cancel := within(outer, 31*time.Minute)
		defer cancel()
		began := time.Now()
		<-ctx.Done()
		var unit *apply.UnitError
		if err := cause(ctx, ctx.Err()); !errors.As(err, &unit) || err.Error() != "not done within 31m0s" || time.Since(began) != 31*time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		ctx, cancel = within(outer, time.Minute)
		defer cancel()
		stop()
		<-ctx.Done()
		if err := cause(ctx, ctx.Err()); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
