package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/unitstamp/unitstamp/internal/scripttest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"unitstamp": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exec-code": scripttest.ExecCode},
		Setup: func(env *testscript.Env) error {
			env.Setenv("CIRCLECI", "true")
			env.Setenv("CIRCLE_BUILD_NUM", "58")
			env.Setenv("CIRCLE_BRANCH", "develop")
			env.Setenv("UNITSTAMP_BUILD", "58")
			return nil
		},
	})
}
