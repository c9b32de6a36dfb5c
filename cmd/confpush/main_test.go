package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/unitstamp/unitstamp/internal/scripttest"

	"github.com/unitstamp/unitstamp/internal/gittest"
	"github.com/unitstamp/unitstamp/pkg/guard"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"confpush": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Setup: setup, Cmds: commands(t)})
}

// setup gives scripts an environment of which git and confpush know nothing else.
func setup(env *testscript.Env) error {
	for _, e := range gittest.Env() {
		name, value, _ := strings.Cut(e, "=")
		if name != "PATH" {
			env.Setenv(name, value)
		}
	}
	env.Setenv("HOME", env.WorkDir)
	return nil
}

type commandSet map[string]func(*testscript.TestScript, bool, []string)

func commands(t *testing.T) commandSet {
	return commandSet{
		"exec-code":  scripttest.ExecCode,
		"bare":       func(ts *testscript.TestScript, _ bool, args []string) { bare(t, ts, args) },
		"commit":     func(ts *testscript.TestScript, _ bool, args []string) { seed(t, ts, args) },
		"leave":      func(ts *testscript.TestScript, _ bool, args []string) { leave(t, ts, args) },
		"serve-http": func(ts *testscript.TestScript, _ bool, args []string) { serveHTTP(t, ts, args) },
		"serve-ssh":  func(ts *testscript.TestScript, _ bool, args []string) { serveSSH(t, ts, args) },
		"hook": func(ts *testscript.TestScript, _ bool, args []string) {
			gittest.Hook(t, ts.MkAbs(args[0]), args[1], args[2])
		},
	}
}

// bare makes an empty bare repository: bare DIR [KEY=VALUE…]
func bare(t *testing.T, ts *testscript.TestScript, args []string) {
	made := gittest.Bare(t, args[1:]...)
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[0])), 0o755))
	ts.Check(os.Rename(made, ts.MkAbs(args[0])))
}

// seed commits files of the script: commit DIR BRANCH PATH=FILE… (FILE "-"
// removes PATH)
func seed(t *testing.T, ts *testscript.TestScript, args []string) {
	files, remove := map[string]string{}, []string{}
	for _, a := range args[2:] {
		path, file, _ := strings.Cut(a, "=")
		if file == "-" {
			remove = append(remove, path)
			continue
		}
		files[path] = ts.ReadFile(file)
	}
	gittest.Commit(t, ts.MkAbs(args[0]), args[1], "by hand", files, remove...)
}

// leave puts the request of a job that is gone into the queue, by which it was
// made so many seconds from now: leave DIR BRANCH SECONDS PATH=FILE
func leave(t *testing.T, ts *testscript.TestScript, args []string) {
	path, file, _ := strings.Cut(args[3], "=")
	text, err := guard.WriteRequest(guard.Request{Files: []guard.File{{Path: path, Content: []byte(ts.ReadFile(file))}}})
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	commit := gittest.GitInput(t, dir, string(text), "commit-tree", gittest.GitInput(t, dir, "", "mktree"))
	seconds, err := strconv.Atoi(args[2])
	ts.Check(err)
	made := time.Now().Add(time.Duration(seconds) * time.Second)
	gittest.Git(t, dir, "update-ref", fmt.Sprintf("refs/confpush/queue/%s/open/%012x-%09x-%012x", args[1], made.UnixMilli(), time.Now().Unix()+600, seconds&0xffff), commit)
}

// serveHTTP serves a repository and sets VAR to its URL: serve-http DIR VAR
// [USER:PASSWORD [STATUS-OF-PUSH]]
func serveHTTP(t *testing.T, ts *testscript.TestScript, args []string) {
	guard := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			switch {
			case len(args) > 2 && user+":"+password != args[2]:
				w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
				http.Error(w, "who are you", http.StatusUnauthorized)
			case len(args) > 3 && strings.Contains(r.URL.String(), "receive-pack"):
				status, _ := strconv.Atoi(args[3])
				http.Error(w, "no", status)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
	ts.Setenv(args[1], gittest.ServeHTTP(t, ts.MkAbs(args[0]), guard))
}

// serveSSH serves a repository and sets VAR to its URL, VAR_KEY to the client's
// key and VAR_HOSTS to the known_hosts file: serve-ssh DIR VAR
func serveSSH(t *testing.T, ts *testscript.TestScript, args []string) {
	s := gittest.ServeSSH(t, gittest.SSHOptions{Version2: true})
	ts.Setenv(args[1], s.URL(ts.MkAbs(args[0])))
	ts.Setenv(args[1]+"_KEY", gittest.WriteFile(t, "key", string(s.ClientKey)))
	ts.Setenv(args[1]+"_HOSTS", s.KnownHosts(t))
}
