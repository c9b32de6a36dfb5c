//go:build lab

package lab

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/oracle/imageplaces"
	"github.com/unitstamp/unitstamp/internal/oracle/systemdwords"
	"github.com/unitstamp/unitstamp/internal/programs"
)

// hostileCase is an input that has misled a reader of unit files or of command
// lines. Its want is `stamped`, or the exit code and the rule of the first finding.
type hostileCase struct {
	name   string
	source string // all of the file
	image  string // what to stamp, `myrepo/app` if empty
	want   string
}

const run = "[Service]\nExecStart=/usr/bin/docker run "

func hostileCases() []hostileCase {
	big := strings.Repeat("x", 1<<20)
	options := strings.Repeat("-e A="+big[:1<<16-6]+" ", 15) // 983,040 bytes; one word cannot be longer than 128 KiB
	hex := strings.Repeat("0123456789abcdef", 4)
	return []hostileCase{
		// lines
		{name: "line just below 1 MiB", source: run + options + "-e A=" + big[:65460] + " myrepo/app\n", want: "stamped"},
		{name: "line of 1 MiB", source: run + "-e A=" + big + " myrepo/app\n", want: "2 line-too-long"},
		{name: "comment of 1 MiB", source: "#" + big + "\n" + run + "myrepo/app\n", want: "2 line-too-long"},
		{name: "continued over 1 MiB", source: run + options + " \\\n " + options + "myrepo/app\n", want: "2 line-too-long"},
		{name: "4,000 continuation lines", source: run + strings.Repeat("\\\n -e A=b ", 4000) + "myrepo/app\n", want: "stamped"},
		{name: "NUL in the value", source: run + "--rm\x00 myrepo/app\n", want: "1 image-not-found"},
		{name: "NUL after the operand", source: run + "myrepo/app\x00x\n", want: "stamped"},
		{name: "NUL ends the line before", source: "[Service]\nType=simple\x00ExecStart=/usr/bin/docker run myrepo/app\n", want: "stamped"},
		{name: "invalid UTF-8 in the value", source: run + "-e A=\xff myrepo/app\n", want: "2 invalid-utf8"},
		{name: "invalid UTF-8 in a comment", source: "# \xff\n" + run + "myrepo/app\n", want: "stamped"},
		{name: "invalid UTF-8 in another section", source: run + "myrepo/app\n[X-Fleet]\nA=\xc3\n", want: "2 invalid-utf8"},
		{name: "byte order mark", source: "\ufeff" + run + "myrepo/app\n", want: "stamped"},
		{name: "byte order mark before a comment", source: "\ufeff# c\n" + run + "myrepo/app\n", want: "stamped"},
		{name: "byte order mark in the middle", source: run + "--rm \ufeffmyrepo/app\n", want: "1 image-not-found"},
		{name: "lone CR ends a line", source: "[Service]\rExecStart=/usr/bin/docker run myrepo/app\rExecStop=/usr/bin/docker stop myrepo/app\r", want: "stamped"},
		{name: "CRLF", source: "[Service]\r\nExecStart=/usr/bin/docker run \\\r\n  myrepo/app\r\n", want: "stamped"},
		{name: "LF CR", source: "[Service]\n\rExecStart=/usr/bin/docker run myrepo/app\n\r", want: "stamped"},
		{name: "no final newline", source: run + "myrepo/app", want: "stamped"},
		{name: "backslash at the end of the file", source: run + "myrepo/app \\", want: "stamped"},
		{name: "backslash right after the operand at the end", source: run + "myrepo/app\\", want: "stamped"},
		{name: "comment ending in a backslash above", source: "[Service]\n# old \\\nExecStart=/usr/bin/docker run myrepo/app\n", want: "stamped"},
		{name: "comment between continuation lines", source: run + "\\\n# --rm \\\n myrepo/app\n", want: "stamped"},
		{name: "semicolon comment between continuation lines", source: run + "\\\n ; myrepo/app:1\n myrepo/app\n", want: "stamped"},
		{name: "backslash and a trailing blank", source: run + "\\ \n  myrepo/app\n", want: "1 image-not-found"},
		{name: "blank line ends a continuation", source: run + "--rm \\\n\n  myrepo/app\n", want: "1 image-not-found"},
		{name: "continuation splits the operand", source: run + "myrepo/\\\napp\n", want: "1 crosses-continuation"},
		{name: "escaped backslash at the end of the line", source: run + "myrepo/app a\\\\\nExecStop=/bin/true\n", want: "stamped"},
		{name: "key continued", source: "[Service]\nExecStart \\\n = /usr/bin/docker run myrepo/app\n", want: "stamped"},
		{name: "blanks everywhere", source: " [Service] \n\tExecStart\t= \t/usr/bin/docker\trun\t\tmyrepo/app\t \n", want: "stamped"},
		{name: "text after the header", source: "[Service] # x\nExecStart=/usr/bin/docker run myrepo/app\n", want: "2 section-header"},
		{name: "quote in a header", source: "[X'y]\n" + run + "myrepo/app\n", want: "2 section-header"},
		{name: "blanks in the header", source: "[ Service ]\nExecStart=/usr/bin/docker run myrepo/app\n", want: "1 image-not-found"},
		{name: "key in another case", source: "[Service]\nexecstart=/usr/bin/docker run myrepo/app\nExecStart=/bin/true\n", want: "1 image-not-found"},
		{name: "assignment before a section", source: "ExecStart=/usr/bin/docker run myrepo/app:1\n" + run + "myrepo/app\n", want: "stamped"},
		{name: "section given twice", source: run + "myrepo/app\n[Unit]\nAfter=x.service\n[Service]\nExecStop=/usr/bin/docker run myrepo/app:1\n", want: "stamped"},

		// words
		{name: "mid-word quotes", source: run + "-e A=\"b c\"d myrepo/app\n", want: "stamped"},
		{name: "operand in double quotes", source: run + "\"myrepo/app\" x\n", want: "stamped"},
		{name: "operand in single quotes with a tag", source: run + "'myrepo/app:1' x\n", want: "stamped"},
		{name: "quotes inside the operand", source: run + "myrepo/\"app\":1\n", want: "stamped"},
		{name: "quotes inside the tag", source: run + "myrepo/app:\"1\"2\n", want: "1 scattered-operand"},
		{name: "C escape for the colon", source: run + `myrepo/app\x3a1` + "\n", want: "stamped"},
		{name: "C escape for the slash", source: run + `myrepo\057app` + "\n", want: "stamped"},
		{name: "C escape inside the tag", source: run + `myrepo/app:\x31.0` + "\n", want: "stamped"},
		{name: "unknown escape in another word", source: run + `-e A=\d\x20 myrepo/app` + "\n", want: "stamped"},
		{name: "escaped quote before the operand", source: run + `-e A=\" myrepo/app` + "\n", want: "stamped"},
		{name: "unbalanced quotes", source: run + "-e A=\"b myrepo/app\n", want: "2 unbalanced-quotes"},
		{name: "unbalanced quotes, failure ignored", source: "[Service]\nExecStart=/bin/true\nExecStartPre=-/usr/bin/docker run -e A=\"b myrepo/app\n", want: "1 unbalanced-quotes"},
		{name: "no-break space", source: run + "--rm\u00a0myrepo/app\n", want: "1 image-not-found"},
		{name: "vertical tab is no blank", source: run + "myrepo/app\vx\n", want: "1 image-not-found"},
		{name: "two commands on a line", source: "[Service]\nType=oneshot\nExecStart=/usr/bin/docker pull myrepo/app ; /usr/bin/docker run myrepo/app ;\n", want: "stamped"},
		{name: "quoted semicolon", source: run + "myrepo/app \";\" /usr/bin/docker run myrepo/app\n", want: "stamped"},
		{name: "semicolon in front", source: "[Service]\nExecStart=; /usr/bin/docker run myrepo/app\n", want: "stamped"},
		{name: "empty value resets", source: "[Service]\nExecStart=/usr/bin/docker run myrepo/app:1\nExecStart=\nExecStart=/usr/bin/docker run myrepo/app\n", want: "stamped"},
		{name: "argv[0] set", source: "[Service]\nExecStart=@/usr/bin/docker docker run myrepo/app\n", want: "stamped"},
		{name: "all prefixes", source: "[Service]\nExecStart=-:+/usr/bin/docker run myrepo/app\n", want: "stamped"},
		{name: "unknown specifier", source: run + "-e A=%Z myrepo/app\n", want: "2 specifier"},
		{name: "date without doubled percent", source: "[Service]\nExecStart=/bin/sh -c 'docker run myrepo/app $(date +%F)'\n", want: "2 specifier"},
		{name: "doubled percent", source: run + "-e A=%% myrepo/app\n", want: "stamped"},
		{name: "name of the unit", source: run + "--name %p myrepo/app\n", want: "stamped"},

		// options
		{name: "bool option with a word behind", source: run + "--rm true\n", image: "true", want: "stamped"},
		{name: "letters together, the last takes a value", source: run + "-itdp 80:80 myrepo/app\n", want: "stamped"},
		{name: "value joined to the letter", source: run + "-p80:80 myrepo/app\n", want: "stamped"},
		{name: "value joined by =", source: run + "-p=80:80 -e=A=b myrepo/app\n", want: "stamped"},
		{name: "two dashes as a value", source: run + "--name -- myrepo/app\n", want: "stamped"},
		{name: "two dashes before the operand", source: run + "--rm -- myrepo/app --name x\n", want: "stamped"},
		{name: "an option as a value", source: run + "-e -d myrepo/app\n", want: "stamped"},
		{name: "a value that is the repository", source: run + "--name myrepo/app -h x myrepo/app myrepo/app\n", want: "stamped"},
		{name: "a lone dash", source: run + "- myrepo/app\n", want: "1 image-not-found"},
		{name: "an empty word", source: run + "\"\" myrepo/app\n", want: "1 image-not-found"},
		{name: "a long option of old behind one dash", source: run + "-rm myrepo/app\n", want: "1 legacy-option"},
		{name: "an old option that swallows", source: run + "-link a:b myrepo/app\n", want: "1 legacy-option"},
		{name: "a misspelt option", source: run + "--nmae x myrepo/app\n", want: "1 unknown-option"},
		{name: "a shortened option", source: run + "--nam x myrepo/app\n", want: "1 unknown-option"},
		{name: "an en dash", source: run + "–rm myrepo/app\n", want: "1 typographic-dash"},
		{name: "an em dash in front of an option", source: run + "--rm —name x myrepo/app\n", want: "1 typographic-dash"},
		{name: "a hidden option", source: run + "--net host myrepo/app\n", want: "stamped"},
		{name: "pull with the option behind", source: "[Service]\nExecStart=/usr/bin/docker pull myrepo/app -q\n", want: "stamped"},
		{name: "pull of all tags", source: "[Service]\nExecStart=/usr/bin/docker pull -a myrepo/app\n", want: "1 pull-all-tags"},
		{name: "podman without an image", source: "[Service]\nExecStart=/usr/bin/podman run --rootfs myrepo/app\n", want: "1 image-not-found"},
		{name: "option behind the verb", source: run + "-D myrepo/app\n", want: "1 unknown-option"},

		// references
		{name: "port of a registry", source: run + "registry:5000/x\n", image: "registry:5000/x", want: "stamped"},
		{name: "host and tag alike", source: run + "registry:5000\n", image: "registry", want: "stamped"},
		{name: "upper case is a host", source: run + "Repo/x\n", image: "Repo/x", want: "stamped"},
		{name: "upper case name", source: run + "IMG\n", image: "img", want: "1 image-not-found"},
		{name: "64 hexadecimal digits", source: run + hex + "\n", image: "myrepo/app", want: "1 image-not-found"},
		{name: "tag of 128 bytes", source: run + "myrepo/app:" + strings.Repeat("t", 128) + "\n", want: "stamped"},
		{name: "tag of 129 bytes", source: run + "myrepo/app:" + strings.Repeat("t", 129) + "\n", want: "1 placeholder-tag"},
		{name: "digest", source: run + "myrepo/app@sha256:" + hex + "\n", want: "stamped"},
		{name: "tag and digest", source: run + "myrepo/app:1@sha256:" + hex + "\n", want: "stamped"},
		{name: "longer name", source: run + "myrepo/app-db\n", want: "1 image-not-found"},
		{name: "other registry", source: run + "quay.io/myrepo/app\n", want: "1 image-not-found"},
		{name: "two tags", source: run + "myrepo/app:1:2\n", want: "1 placeholder-tag"},
		{name: "template placeholder", source: run + "{{ .Image }}\n", want: "1 image-not-found"},
		{name: "Terraform placeholder", source: run + "$${IMG}\n", want: "1 image-not-found"},
		{name: "variable inside the word is none", source: run + "myrepo/app:$TAG\n", want: "1 placeholder-tag"},
	}
}

var firstRule = regexp.MustCompile(`(?m): error: .*\[([a-z0-9-]+)\]$`)

func TestOracleHostileInput(t *testing.T) {
	program := filepath.Join(programs.For(t, "unitstamp"), "unitstamp")
	cases := hostileCases()
	var units []systemdwords.Unit
	for i, c := range cases {
		units = append(units, systemdwords.Unit{Name: fmt.Sprintf("h%d.service", i), Source: []byte(c.source)})
	}
	specifiers, err := systemdwords.Specifiers(t.Context(), units)
	if err != nil {
		t.Fatal(err)
	}
	readings := readUnits(t, units)
	judge := &imageplaces.Judge{Workers: 2, Podman: true}
	before, err := judge.Images(t.Context(), units)
	if err != nil {
		t.Fatal(err)
	}
	var stamped []systemdwords.Unit
	var which []int
	for i, c := range cases {
		ours := readOurselves(units[i].Source, specifiers[i])
		if difference := differences(ours, readings[i]); difference != "" {
			t.Errorf("%s: %s", c.name, difference)
		}
		image := c.image
		if image == "" {
			image = "myrepo/app"
		}
		outcome := stampWith(t, program, units[i].Name, units[i].Source, image)
		got := "stamped"
		if outcome.code != 0 {
			got = fmt.Sprintf("%d no rule", outcome.code)
			if found := firstRule.FindStringSubmatch(outcome.stderr); found != nil {
				got = fmt.Sprintf("%d %s", outcome.code, found[1])
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s\n%.600s", c.name, got, c.want, outcome.stderr)
		}
		if refused := before[i].Refused != ""; refused != (outcome.code == 2) {
			t.Errorf("%s: exit %d, systemd says %q", c.name, outcome.code, before[i].Refused)
		}
		if outcome.code == 0 {
			changed := units[i]
			changed.Source = outcome.stdout
			stamped, which = append(stamped, changed), append(which, i)
		} else if len(outcome.stdout) > 0 {
			t.Errorf("%s: exit %d and output", c.name, outcome.code)
		}
	}
	after, err := judge.Images(t.Context(), stamped)
	if err != nil {
		t.Fatal(err)
	}
	for k, i := range which {
		image := cases[i].image
		if image == "" {
			image = "myrepo/app"
		}
		want := imageplaces.StampedOperands(before[i].Images, image, stampedTag)
		if got := imageplaces.Operands(after[k].Images); !imageplaces.Same(got, want) {
			t.Errorf("%s: images %q, want %q", cases[i].name, got, want)
		}
	}
	t.Logf("%d cases, %d stamped", len(cases), len(which))
}
