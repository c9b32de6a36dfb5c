//go:build lab

package lab

import (
	"strings"
	"testing"
	"time"

	"github.com/unitstamp/unitstamp/lab/node"
)

// US010 and US020: a command that ends while its container runs on elsewhere is the
// end of the service, whatever the type, and its ExecStop= runs. Only oneshot with
// RemainAfterExit= goes on.
func TestDetachedCommandEndsTheService(t *testing.T) {
	n := node.Boot(t)
	// docker run -d leaves no process in the service's own group.
	n.Write("/usr/local/bin/detached", "#!/bin/sh\necho 4f66561df19a\n", 0o755)
	for _, tt := range []struct {
		name, settings string
		goesOn         bool
	}{
		{"simple", "", false},
		{"exec", "Type=exec\n", false},
		{"idle", "Type=idle\n", false},
		{"notify", "Type=notify\n", false},
		{"forking", "Type=forking\n", false},
		{"oneshot", "Type=oneshot\nRemainAfterExit=yes\n", true},
	} {
		unit := "detached-" + tt.name + ".service"
		marker := "/run/stopped-" + tt.name
		n.Write("/etc/systemd/system/"+unit, "[Service]\n"+tt.settings+"ExecStart=/usr/local/bin/detached\nExecStop=/usr/bin/touch "+marker+"\n", 0o644)
		n.Must("systemctl", "daemon-reload")
		n.Run(t.Context(), "systemctl", "start", unit) // notify fails, which is an end as well
		deadline := time.Now().Add(10 * time.Second)
		state := ""
		for {
			state, _, _ = n.Run(t.Context(), "systemctl", "is-active", unit)
			state = strings.TrimSpace(state)
			if tt.goesOn || state == "inactive" || state == "failed" || time.Now().After(deadline) {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		_, _, code := n.Run(t.Context(), "test", "-e", marker)
		if stopped := code == 0; (state == "active") != tt.goesOn || stopped && tt.goesOn || !stopped && !tt.goesOn && tt.name != "notify" {
			t.Errorf("%s: the service is %s, ExecStop= ran: %v", tt.name, state, stopped)
		}
	}
}
