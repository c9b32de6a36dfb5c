package containerrun

import (
	"sort"
	"strconv"
	"strings"
)

//go:generate go run ./internal/genflags

// A flag is one row of the table: an option of run and create in any version of
// any client. Over all versions no option changes between taking a value and
// taking none (but for podman's --systemd before 1.6.2), so one table serves all.
type flag struct {
	name     string // with its dashes
	value    bool   // it takes a value
	versions [3]string
}

// The clients, as indexes into a flag's versions.
const (
	docker = iota
	podman
	nerdctl
)

// find looks an option up for a client. gone is the client's last version that
// had it, if that is long past.
func find(client int, name string) (f flag, gone string, ok bool) {
	i := sort.Search(len(flagTable), func(i int) bool { return flagTable[i].name >= name })
	if i == len(flagTable) || flagTable[i].name != name || flagTable[i].versions[client] == "" {
		return flag{}, "", false
	}
	f = flagTable[i]
	_, last, _ := strings.Cut(f.versions[client], "..")
	if client == docker && ancient(last) {
		gone = last
	}
	return f, gone, true
}

// ancient reports a version of docker before 1.12, when options were still read by
// other rules.
func ancient(version string) bool {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	m, err := strconv.Atoi(minor)
	return major == "0" || major == "1" && err == nil && m < 12
}

// options tells which options stand before a command's verb, or belong to pull,
// by name; true means that the option takes a value.
type options map[string]bool

// globals are the options that stand between the client's name and the verb.
// podman and nerdctl take theirs after the verb too.
var globals = [3]options{
	docker: {
		"--config": true, "--context": true, "-c": true, "--host": true, "-H": true, "--log-level": true, "-l": true,
		"--tlscacert": true, "--tlscert": true, "--tlskey": true,
		"--debug": false, "-D": false, "--tls": false, "--tlsverify": false, "--version": false, "-v": false, "--help": false,
	},
	podman: {
		"--cgroup-manager": true, "--cni-config-dir": true, "--config": true, "--conmon": true, "--connection": true, "-c": true,
		"--db-backend": true, "--events-backend": true, "--hooks-dir": true, "--identity": true, "--imagestore": true,
		"--log-level": true, "--max-workers": true, "--module": true, "--namespace": true, "--network-cmd-path": true,
		"--network-config-dir": true, "--out": true, "--pull-option": true, "--registries-conf": true, "--root": true,
		"--runroot": true, "--runtime": true, "--runtime-flag": true, "--ssh": true, "--storage-driver": true,
		"--storage-opt": true, "--tmpdir": true, "--url": true, "--volumepath": true, "--cpu-profile": true, "--memory-profile": true,
		"--default-mounts-file": true, "--tls-ca": true, "--tls-cert": true, "--tls-key": true,
		"--help": false, "-h": false, "--noout": false, "--remote": false, "-r": false, "--syslog": false, "--trace": false,
		"--transient-store": false, "--version": false, "-v": false,
	},
	nerdctl: {
		"--address": true, "-a": true, "--host": true, "-H": true, "--namespace": true, "-n": true, "--cgroup-manager": true,
		"--cni-netconfpath": true, "--cni-path": true, "--data-root": true, "--snapshotter": true, "--storage-driver": true,
		"--hosts-dir": true, "--host-gateway-ip": true, "--bridge-ip": true, "--cdi-spec-dirs": true, "--userns-remap": true,
		"--global-dns": true, "--global-dns-opts": true, "--global-dns-search": true,
		"--debug": false, "--debug-full": false, "--experimental": false, "--insecure-registry": false,
		"--kube-hide-dupe": false, "--help": false, "-h": false, "--version": false, "-v": false,
	},
}

// pulls are the options of pull. Unlike those of run, they may follow the operand.
var pulls = [3]options{
	docker: {
		"--all-tags": false, "-a": false, "--disable-content-trust": false, "--platform": true, "--quiet": false, "-q": false, "--help": false,
	},
	podman: {
		"--all-tags": false, "-a": false, "--arch": true, "--authfile": true, "--cert-dir": true, "--creds": true,
		"--decryption-key": true, "--disable-content-trust": false, "--os": true, "--override-arch": true, "--override-os": true,
		"--override-variant": true, "--platform": true, "--policy": true, "--quiet": false, "-q": false, "--retry": true,
		"--retry-delay": true, "--signature-policy": true, "--tls-verify": false, "--variant": true,
	},
	nerdctl: {
		"--all-platforms": false, "--platform": true, "--unpack": true, "--quiet": false, "-q": false, "--verify": true,
		"--cosign-key": true, "--cosign-certificate-identity": true, "--cosign-certificate-identity-regexp": true,
		"--cosign-certificate-oidc-issuer": true, "--cosign-certificate-oidc-issuer-regexp": true, "--ipfs-address": true,
		"--soci-index-digest": true,
	},
}
