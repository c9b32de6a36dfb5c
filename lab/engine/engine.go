//go:build lab

// Package engine runs docker engines as services of a node, each with containers and
// images of its own.
package engine

import (
	"os/exec"
	"testing"

	"github.com/unitstamp/unitstamp/lab/node"
)

// Start starts an engine as NAME.service and returns the URL of its socket. The one
// with the name "docker" is what clients find by themselves; any other only builds,
// pulls and pushes: its containers have no network. Such an engine takes away the
// interface docker0 as it starts, so the one named "docker" is started last. It needs
// docker.io.
func Start(t testing.TB, n *node.Node, name string) (host string) {
	t.Helper()
	for _, program := range []string{"dockerd", "docker"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: the lab needs docker.io", err)
		}
	}
	host = "unix:///run/" + name + ".sock"
	own := ""
	if name != "docker" {
		own = " --bridge none --iptables=false --pidfile /run/" + name + ".pid --exec-root /run/" + name + " --data-root /var/lib/" + name
	}
	// The node's /proc/sys may not be written to; the engine sets what belongs to
	// the node's own network. Layers cannot lie on the node's root, which is made
	// of layers itself.
	n.Write("/etc/systemd/system/"+name+".service", `[Service]
Type=notify
ExecStartPre=/bin/sh -c 'mountpoint -q /run/proc || { mkdir -p /run/proc && mount -t proc proc /run/proc && mount --bind /run/proc/sys/net /proc/sys/net; }'
ExecStartPre=/bin/sh -c 'mkdir -p /var/lib/`+name+` && mount -t tmpfs -o size=2g tmpfs /var/lib/`+name+`'
ExecStart=/usr/sbin/dockerd --host `+host+` --exec-opt native.cgroupdriver=cgroupfs`+own+`
Delegate=yes
KillMode=process
TimeoutStartSec=60
`, 0o644)
	n.Must("rm", "-f", "/lib/systemd/system/docker.socket")
	n.Must("systemctl", "daemon-reload")
	if _, errs, code := n.Run(t.Context(), "systemctl", "start", name+".service"); code != 0 {
		t.Fatalf("%s does not start: %s\n%s", name, errs, n.Journal(name+".service"))
	}
	return host
}
