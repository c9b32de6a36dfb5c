package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSSHNotes(t *testing.T) {
	const config = `# mine
Host jump
  HostName bastion.example.com

Host *.corp.example !open.corp.example
	ProxyJump jump
	Port=7999
Host short
    hostname "git.example.com"
Match host matched
  Port 1
Host via
  ProxyCommand nc -X connect %h %p
Host *
  ProxyJump none
  IdentityFile ~/.ssh/id
  HostName %h
`
	for name, tt := range map[string]struct {
		url, command string
		want         []string // parts of the notes
	}{
		"nothing":          {"git@plain.example:x/y.git", "", nil},
		"https":            {"https://a.corp.example/x.git", "ssh -v", nil},
		"a path":           {"./short:x", "ssh -v", nil},
		"command":          {"git@plain.example:x", "ssh -i key", []string{"GIT_SSH_COMMAND is not used"}},
		"jump":             {"ssh://git@a.corp.example/x.git", "", []string{"ProxyJump of a.corp.example in ~/.ssh/config is not used; open a tunnel (ssh -N -L 2222:a.corp.example:22 jump)", "ssh://git@a.corp.example:7999/PATH"}},
		"exception":        {"ssh://git@open.corp.example/x.git", "", nil},
		"other name":       {"short:x", "", []string{"write git.example.com into the URL"}},
		"proxy":            {"VIA:x", "", []string{"ProxyCommand of VIA"}},
		"match is not all": {"matched:x", "", nil},
		"port in the URL":  {"ssh://git@a.corp.example:7999/x.git", "", []string{"ProxyJump"}},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			if err := os.MkdirAll(filepath.Join(home, ".ssh"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(home, ".ssh/config"), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			env := map[string]string{"HOME": home, "GIT_SSH_COMMAND": tt.command}
			notes := sshNotes(tt.url, func(name string) string { return env[name] })
			if len(notes) != len(tt.want) {
				t.Fatalf("notes %q", notes)
			}
			for i, want := range tt.want {
				if !strings.Contains(notes[i], want) {
					t.Errorf("note %q, want %q", notes[i], want)
				}
			}
		})
	}
}
