package main

import (
	"errors"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"unitstamp": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exec-code": execCode},
		Setup: func(env *testscript.Env) error {
			env.Setenv("CIRCLECI", "true")
			env.Setenv("CIRCLE_BUILD_NUM", "58")
			env.Setenv("CIRCLE_BRANCH", "develop")
			env.Setenv("UNITSTAMP_BUILD", "58")
			return nil
		},
	})
}

// execCode runs a program and wants a certain exit code: exec-code 2 unitstamp …
func execCode(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
