package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/unitstamp/unitstamp/internal/scripttest"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"confapply": main}) }

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":  scripttest.ExecCode,
			"hook":  hook,
			"seen":  seen,
			"fleet": (&clusters{byWork: map[string]*scriptCluster{}}).command,
		},
	})
}
