package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/source"
)

// sample is a program with one of everything.
func sample() *Program {
	return &Program{
		Name: "sample", Usage: "stand in for a program",
		Commands: []*Command{{
			Name: "copy", Usage: "copy files", Args: "FILE…",
			Flags: []cli.Flag{
				&cli.BoolFlag{Name: "json"},
				&cli.BoolFlag{Name: "list", Aliases: []string{"l"}},
				&cli.BoolFlag{Name: "diff", Aliases: []string{"d"}},
				&cli.StringFlag{Name: "token"},
				&cli.IntFlag{Name: "count"},
				&cli.DurationFlag{Name: "wait", EnvVars: []string{"SAMPLE_WAIT"}},
			},
			Run: func(_ context.Context, call *Call) error {
				switch call.String("token") {
				case "refuse":
					return Errorf(Refused, "refused").WithHint("ask nicely")
				case "silent":
					return Exit(No)
				case "plain":
					return errors.New("disk full")
				}
				call.Note("one line\nand another")
				return call.Printf("%v %q\n", call.Bool("list") && call.Bool("diff"), call.Files)
			},
			Failure: func(err error) any { return map[string]string{"error": err.Error()} },
		}},
	}
}

func TestMain(t *testing.T) {
	for _, tt := range []struct {
		args           string
		code           int
		stdout, stderr string // substrings; "" means empty
	}{
		{"copy a b", Done, `false ["a" "b"]`, "sample: one line\nsample: and another\n"},
		{"copy -ld a", Done, `true ["a"]`, "one line"},
		{"copy -", Done, `["-"]`, "one line"},
		{"copy -- -a", Done, `["-a"]`, "one line"},
		{"copy a -- -b --", Done, `["a" "-b" "--"]`, "one line"},
		{"copy a --json", Usage, `"error": "flag`, "error: flag \"--json\" stands after the first argument \"a\"\nsample: hint: flags come before"},
		{"copy a --token=SECRET", Usage, "", `flag "--token" stands after`},
		{"copy --json a -l", Usage, `"error": "flag`, "stands after"},
		{"copy --nope a", Usage, "", "error: unknown flag \"--nope\"\nsample: hint: sample copy --help lists the flags"},
		{"copy --json --nope=SECRET a", Usage, `"error": "unknown flag`, "unknown flag"},
		{"copy --token", Usage, "", `flag "--token" needs a value`},
		{"copy --count x a", Usage, "", `error: flag "--count" wants a whole number, not "x"` + "\n"},
		{"copy --count 99999999999999999999 a", Usage, "", `wants a whole number, not "99999999999999999999"`},
		{"copy --json=x a", Usage, "", `flag "--json" wants true or false, not "x"`},
		{"copy -l --list a", Usage, "", `error: flag "-l" is given twice, also as "--list"` + "\n"},
		{"copy --wait soon a", Usage, "", `flag "--wait" wants a time such as 5s or 10m, not "soon"`},
		{"copy --token refuse a", Refused, "", "sample: error: refused\nsample: hint: ask nicely\n"},
		{"copy --token silent a", No, "", ""},
		{"copy --token plain --json a", World, `"error": "disk full"`, "disk full"},
		{"", Usage, "", "no command given"},
		{"cpoy a", Usage, "", "unknown command \"cpoy\"\nsample: hint: did you mean sample copy?"},
		{"quite-else", Usage, "", "sample --help lists the commands"},
		{"--nope", Usage, "", `unknown flag "--nope"`},
		{"--help", Done, "copy files", ""},
		{"copy --help", Done, "FILE…", ""},
		{"--version", Done, "sample ", ""},
		{"version", Done, "sample ", ""},
		{"version --json", Done, `"program": "sample"`, ""},
		{"completion bash", Done, "complete -o", ""},
		{"completion zsh", Done, "#compdef sample", ""},
		{"completion fish", Done, "complete -c sample", ""},
		{"completion powershell", Done, "Register-ArgumentCompleter", ""},
		{"completion tcsh", Usage, "", `unknown shell "tcsh"`},
		{"man", Done, ".TH sample 1", ""},
		{"copy --generate-bash-completion", Done, "", ""},
	} {
		t.Run(tt.args, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			env := Env{
				Args: append([]string{"sample"}, strings.Fields(tt.args)...), Stdin: strings.NewReader(""),
				Stdout: &stdout, Stderr: &stderr, Getenv: func(string) string { return "" },
			}
			code := Main(context.Background(), env, sample())
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			for _, stream := range []struct{ name, got, want string }{{"stdout", stdout.String(), tt.stdout}, {"stderr", stderr.String(), tt.stderr}} {
				if !strings.Contains(stream.got, stream.want) || stream.want == "" && stream.got != "" {
					t.Errorf("%s is %q, want %q", stream.name, stream.got, stream.want)
				}
				if strings.Contains(stream.got, "SECRET") || strings.Contains(stream.got, "\x1b") {
					t.Errorf("%s holds a secret or a colour: %q", stream.name, stream.got)
				}
			}
		})
	}
}

// TestVariableOfAFlag gives a flag a value that is none by its variable.
func TestVariableOfAFlag(t *testing.T) {
	t.Setenv("SAMPLE_WAIT", "so \"long\"\nas it takes")
	var stderr bytes.Buffer
	env := Env{Args: []string{"sample", "copy", "a"}, Stdout: &stderr, Stderr: &stderr, Getenv: os.Getenv}
	code := Main(t.Context(), env, sample())
	want := `sample: error: variable SAMPLE_WAIT wants a time such as 5s or 10m, not "so \"long\"\nas it takes"` + "\nsample: hint: sample copy --help lists the flags\n"
	if code != Usage || stderr.String() != want {
		t.Errorf("exit code %d, %q, want %q", code, stderr.String(), want)
	}
}

func TestSnippet(t *testing.T) {
	f := &source.File{Name: "a.service", Bytes: []byte("[Service]\nExecStart=/usr/bin/docker run -e TOKEN=SECRET -e \"B=SECRET TOO\" myrepo/x\n")}
	at := bytes.Index(f.Bytes, []byte("myrepo"))
	found := diag.At(f, source.Span{Start: at, End: at + 8}, diag.Error, "some-rule", "wrong", "")
	got := Snippet(found, f)
	lines := strings.Split(got, "\n")
	if len(lines) != 3 || strings.Index(lines[0], "myrepo/x") != strings.Index(lines[1], "\x1b[32m^^^^^^^^\x1b") {
		t.Errorf("the caret is not under the operand:\n%s", got)
	}
	if strings.Contains(got, "SECRET") {
		t.Errorf("the snippet shows a secret:\n%s", got)
	}
}

func TestMaskSecrets(t *testing.T) {
	for in, want := range map[string]string{
		`ExecStart=/usr/bin/docker run x`:          `ExecStart=/usr/bin/docker run x`,
		`ExecStart=docker run -eA=b --env C="d e"`: `ExecStart=docker run -eA=* --env C=*****`,
		`Environment=A=b "C=d e"`:                  `Environment=A=* "C=***"`,
		`  -e A=b \`:                               `  -e A=* \`,
		`https://user:pw@example.com/x`:            `https://*******@example.com/x`,
	} {
		if got := MaskSecrets(in); got != want || len(got) != len(in) {
			t.Errorf("MaskSecrets(%s) = %s, want %s", in, got, want)
		}
	}
}
