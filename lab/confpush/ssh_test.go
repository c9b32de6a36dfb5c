//go:build lab

package confpush_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/unitstamp/unitstamp/internal/gittest"
)

// sshEnv names the key and the host keys for programs that push over ssh.
var sshEnv []string

// serveSSH serves a repository over ssh behind a slow line.
func serveSSH(t testing.TB, bare string, rtt time.Duration, m *meter) string {
	t.Helper()
	s := gittest.ServeSSH(t, gittest.SSHOptions{Version2: true})
	addr := line(t, s.Addr, rtt, m)
	dir := t.TempDir()
	hosts := filepath.Join(dir, "known_hosts")
	key := filepath.Join(dir, "key")
	for file, content := range map[string]string{hosts: knownhosts.Line([]string{addr}, s.HostKeys[0].PublicKey()) + "\n", key: string(s.ClientKey)} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sshEnv = []string{
		"CONFPUSH_SSH_KEY=" + key, "SSH_KNOWN_HOSTS=" + hosts,
		"GIT_SSH_COMMAND=ssh -F /dev/null -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -i " + key + " -o UserKnownHostsFile=" + hosts,
	}
	return strings.Replace(s.URL(bare), s.Addr, addr, 1)
}
