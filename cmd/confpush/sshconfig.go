package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/confrepo"
)

// sshNotes tells which of the user's settings of ssh would matter for a repository
// and are not heeded, since confpush speaks ssh itself and starts no program.
func sshNotes(url string, getenv func(string) string) []string {
	host, port, ok := confrepo.SSHHost(url)
	if !ok {
		return nil
	}
	var notes []string
	for _, name := range []string{"GIT_SSH_COMMAND", "GIT_SSH"} {
		if getenv(name) != "" {
			notes = append(notes, name+" is not used, since no ssh program is run; keys are named by --ssh-key, host keys by --known-hosts")
			break
		}
	}
	if home := getenv("HOME"); home != "" {
		// a file that cannot be read would not help ssh either
		config, _ := os.ReadFile(filepath.Join(home, ".ssh/config"))
		notes = append(notes, configNotes(host, port, string(config))...)
	}
	return notes
}

// configNotes is the part of [sshNotes] about ~/.ssh/config.
func configNotes(host, port, config string) []string {
	set := sshSettings(host, config)
	var notes []string
	for _, key := range []string{"ProxyJump", "ProxyCommand"} {
		if value := set[strings.ToLower(key)]; value != "" && value != "none" {
			through := "JUMPHOST"
			if key == "ProxyJump" {
				through = value
			}
			notes = append(notes, fmt.Sprintf("the %s of %s in ~/.ssh/config is not used; open a tunnel (ssh -N -L 2222:%s:22 %s) and push to ssh://git@localhost:2222/PATH", key, host, host, through))
		}
	}
	if name := set["hostname"]; name != "" && !strings.Contains(name, "%") && !strings.EqualFold(name, host) {
		notes = append(notes, fmt.Sprintf("the HostName of %s in ~/.ssh/config is not used; write %s into the URL", host, name))
	}
	if other := set["port"]; other != "" && other != "22" && port == "" {
		notes = append(notes, fmt.Sprintf("the Port of %s in ~/.ssh/config is not used; write ssh://git@%s:%s/PATH", host, host, other))
	}
	return notes
}

// sshSettings reads what a configuration says about a host (ssh_config(5)): keys in
// lower case, of each the first value. Match blocks and included files are passed over.
func sshSettings(host, config string) map[string]string {
	set := map[string]string{}
	applies := true
	for line := range strings.Lines(config) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		end := strings.IndexAny(line, " \t=")
		if end < 0 {
			continue
		}
		key := strings.ToLower(line[:end])
		value := strings.Trim(strings.TrimPrefix(strings.TrimSpace(line[end:]), "="), " \t\"")
		switch key {
		case "host":
			applies = matchesHost(host, strings.Fields(value))
		case "match":
			applies = strings.EqualFold(value, "all")
		default:
			if _, known := set[key]; applies && !known {
				set[key] = value
			}
		}
	}
	return set
}

// matchesHost: one of the patterns fits, and none of those with an exclamation mark.
func matchesHost(host string, patterns []string) bool {
	found := false
	for _, p := range patterns {
		p, not := strings.CutPrefix(p, "!")
		fits, _ := path.Match(strings.ToLower(p), strings.ToLower(host))
		if fits && not {
			return false
		}
		found = found || fits
	}
	return found
}
