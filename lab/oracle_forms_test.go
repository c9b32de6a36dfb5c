//go:build lab

package lab

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/oracle/imageplaces"
	"github.com/unitstamp/unitstamp/internal/oracle/systemdwords"
	"github.com/unitstamp/unitstamp/internal/programs"
)

// severityAndRule finds what a finding comes to in stderr.
var severityAndRule = regexp.MustCompile(`(?m): (error|warning): .*\[([a-z0-9-]+)\]$`)

// TestOracleForms stamps each form, and asks systemd, the shell and the clients
// which images the unit named before and names afterwards.
func TestOracleForms(t *testing.T) {
	program := filepath.Join(programs.For(t, "unitstamp"), "unitstamp")
	cases := formCases()
	var before []systemdwords.Unit
	for i, c := range cases {
		before = append(before, systemdwords.Unit{Name: fmt.Sprintf("f%d.service", i), Source: []byte("[Service]\n" + c.source)})
	}
	for _, s := range specifierForms {
		cases = append(cases, formCase{name: s.unit + " " + s.source, source: s.source, image: s.image, want: s.want})
		before = append(before, systemdwords.Unit{Name: s.unit, Instance: "7", Source: []byte("[Service]\n" + s.source)})
	}
	after := slices.Clone(before)
	for i, c := range cases {
		if c.image == "" {
			cases[i].image = wantedRepository
		}
		outcome := stampWith(t, program, before[i].Name, before[i].Source, cases[i].image)
		got := "stamped"
		if outcome.code != 0 {
			got = fmt.Sprint(outcome.code)
		} else {
			after[i].Source = outcome.stdout
		}
		for _, found := range severityAndRule.FindAllStringSubmatch(outcome.stderr, -1) {
			got += " " + found[1][:1] + ":" + found[2]
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s\n%s%s", c.name, got, c.want, c.source, outcome.stderr)
		}
	}
	judge := &imageplaces.Judge{Workers: 2, Podman: true}
	was, err := judge.Images(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	is, err := judge.Images(t.Context(), after)
	if err != nil {
		t.Fatal(err)
	}
	judged := 0
	for i, c := range cases {
		if was[i].Refused != is[i].Refused {
			t.Errorf("%s: systemd says %q, and of the stamped unit %q", c.name, was[i].Refused, is[i].Refused)
		}
		if !strings.HasPrefix(c.want, "stamped") || c.blind != "" {
			continue
		}
		judged++
		old, got := imageplaces.Operands(was[i].Images), imageplaces.Operands(is[i].Images)
		want := imageplaces.StampedOperands(was[i].Images, c.image, stampedTag)
		if imageplaces.Same(old, want) || !imageplaces.Same(got, want) {
			t.Errorf("%s: images %q, want %q, before %q\n%s", c.name, got, want, old, after[i].Source)
		}
	}
	t.Logf("%d forms, %d stamped and judged", len(cases), judged)
}
