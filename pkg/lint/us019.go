package lint

import (
	"fmt"
	"strconv"
	"time"

	"github.com/unitstamp/unitstamp/pkg/diag"
)

// defaultTimeout is systemd's, for starting as well as for stopping.
const defaultTimeout = 90 * time.Second

var us019 = Rule{
	ID: "US019", Name: "stop-timeout", Severity: diag.Warning,
	Summary: "systemd gives up before the engine does",
	Check: func(u *Unit, report func(Problem)) {
		if !u.complete() {
			return
		}
		limit, ok := u.timeout("TimeoutStopSec")
		if !ok {
			return
		}
		for _, c := range u.commands {
			if c.Item.Key != "ExecStop" || c.Image || c.verb != "stop" {
				continue
			}
			_, options := c.names()
			for _, o := range options {
				seconds, err := strconv.Atoi(o.Value)
				if o.Name != "-t" && o.Name != "--time" && o.Name != "--timeout" || err != nil {
					continue
				}
				if wait := time.Duration(seconds) * time.Second; seconds < 0 || wait >= limit {
					report(Problem{
						Span:    c.optionSpan(o),
						Message: fmt.Sprintf("%s stop waits %s, but systemd only %s: it ends the command, and may leave the container running", c.client, o.Value+" s", limit),
						Hint:    "set TimeoutStopSec= to more than the time that the container gets",
					})
				}
			}
		}
	},
}

// timeout is TimeoutStartSec= or TimeoutStopSec=; it is false if there is no limit or
// it cannot be read. TimeoutSec= sets both.
func (u *Unit) timeout(key string) (time.Duration, bool) {
	text := ""
	for it := range u.values("Service", key, "TimeoutSec") {
		text = it.Value.Text
	}
	if text == "" {
		return defaultTimeout, true
	}
	d, ok := parseTimespan(text)
	return d, ok && d > 0
}
