// Confpush commits stamped unit files to the system-configuration repository and
// pushes them, and refuses to go back to an older build.
package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/urfave/cli/v2"

	door "github.com/unitstamp/unitstamp/internal/cli"
)

func main() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		putOffCollections()
	}
	door.Run(program())
}

// putOffCollections: the usual push is over before there is anything to collect,
// and each collection would take as long as a request. One that holds large
// folders collects from then on rather than grow.
func putOffCollections() {
	const enough = 16 << 20
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(enough)
	runtime.SetFinalizer(new([1024]byte), func(*[1024]byte) { // found by the first collection
		debug.SetGCPercent(20)
		debug.SetMemoryLimit(math.MaxInt64)
	})
}

func program() *door.Program {
	return &door.Program{
		Name:  "confpush",
		Usage: "commit unit files to the system-configuration repository and push",
		Description: "confpush adds exactly one commit with all the files, or none, to a branch of a git repository.\n" +
			"It needs no clone. When another job was faster it decides again on the new tip; it never forces,\n" +
			"and never replaces a newer build by an older one.",
		Root: &door.Command{
			Usage: "commit unit files and push",
			Args:  "FILE…",
			Flags: flags(),
			Run:   run, Failure: failureDocument,
		},
	}
}

func flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "repo", Usage: "`URL` of the repository: https, ssh, git@host:path, file, or a local path (environment: CONFPUSH_REPO)"},
		&cli.StringFlag{Name: "branch", Usage: "`NAME` of the branch (default: CONFPUSH_BRANCH, the build's branch, or the one that the remote's HEAD names)"},
		&cli.StringFlag{Name: "dir", Usage: "`DIR` of the repository that the files go to (default: its root)"},
		&cli.StringFlag{Name: "as", Usage: "`PATH` in the repository for the one FILE, in place of DIR and its own name"},
		&cli.StringSliceFlag{Name: "remove", Usage: "delete `NAME` in DIR; may be repeated"},
		&cli.StringFlag{Name: "message", Usage: "`TEMPLATE` of the message; it may use {{.Units}} {{.Removed}} {{.Tag}} {{.Branch}} {{.Source}} {{.URL}} {{.Images}}"},
		&cli.StringFlag{Name: "author", Usage: "`NAME <MAIL>` of the author (default: GIT_AUTHOR_NAME and GIT_AUTHOR_EMAIL)"},
		&cli.StringFlag{Name: "committer", Usage: "`NAME <MAIL>` of the committer (default: GIT_COMMITTER_NAME and GIT_COMMITTER_EMAIL, or the author)"},
		&cli.StringFlag{Name: "sign-key", Usage: "sign the commit with the SSH or OpenPGP private key in `FILE`"},
		&cli.StringFlag{Name: "sign-passphrase-file", Usage: "`FILE` that holds the signing key's passphrase"},

		&cli.DurationFlag{Name: "deadline", Value: 5 * time.Minute, Usage: "give up after this `TIME`, retries included"},
		&cli.DurationFlag{Name: "attempt-timeout", Value: time.Minute, Usage: "give up one attempt after this `TIME`"},
		&cli.BoolFlag{Name: "queue-open", Usage: "share the queue with jobs of other credentials, where each may push to the branch anyway"},
		&cli.BoolFlag{Name: "no-queue", Usage: "neither leave this request for other jobs to push, nor push theirs"},

		&cli.BoolFlag{Name: "allow-downgrade", Usage: "roll back: let a lower build replace a higher one"},
		&cli.BoolFlag{Name: "allow-branch-change", Usage: "let a build replace one of another branch"},
		&cli.BoolFlag{Name: "allow-rewrite", Usage: "let the same build bring other content"},

		&cli.StringFlag{Name: "ssh-key", Usage: "offer the private key in `FILE` and no other (environment: CONFPUSH_SSH_KEY; default: the agent)"},
		&cli.StringFlag{Name: "ssh-passphrase-file", Usage: "`FILE` that holds the ssh key's passphrase"},
		&cli.StringSliceFlag{Name: "known-hosts", Usage: "`FILE` with host keys; may be repeated (default: SSH_KNOWN_HOSTS, or ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts)"},
		&cli.StringFlag{Name: "token-file", Usage: "`FILE` that holds the token for https (default: CONFPUSH_TOKEN, or netrc)"},
		&cli.BoolFlag{Name: "bearer", Usage: "send the token as a bearer token instead of as a password"},
		&cli.StringFlag{Name: "ca-file", Usage: "`FILE` with certificates to trust besides the system's"},
		&cli.BoolFlag{Name: "allow-insecure", Usage: "let a token go over http to another machine"},

		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "do all but push, and print the diff"},
		&cli.BoolFlag{Name: "json", Usage: "print one JSON document"},
	}
}
