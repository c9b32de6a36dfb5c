//go:build lab

package lab

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/corpus"
	"github.com/unitstamp/unitstamp/internal/oracle/imageplaces"
	"github.com/unitstamp/unitstamp/internal/oracle/systemdwords"
	"github.com/unitstamp/unitstamp/internal/programs"
)

var oracleUpdate = flag.Bool("oracle.update", false, "write the table of docs/accuracy.md")

const stampedTag = "58-develop"

// refusedPairs names the pairs that the program refuses although the bytes are
// known, with the reason why that is right.
var refusedPairs = map[string]string{
	"cogfor__coreos-services/etcd-amb-postgresql.service polvi/simple-amb":          "the run has -rm, which docker of today reads as -r -m",
	"cogfor__coreos-services/etcd-amb-redis.service polvi/simple-amb":               "the run has -rm, which docker of today reads as -r -m",
	"cogfor__coreos-services/fivefilters-http@.service dock.cogfor.com/fivefilters": "the run has -rm, which docker of today reads as -r -m",
	"cogfor__coreos-services/postgresql.service paintedfox/postgresql":              "the run has -rm, which docker of today reads as -r -m",
	"cogfor__coreos-services/redis-docker-reg.service etcd-amb-redis.service":       "only docker of today takes this word, the value of -link, for the image",
	"cogfor__coreos-services/redis-dyn-amb.service etcd-amb-redis2.service":         "only docker of today takes this word, the value of -link, for the image",
	"hairmare__ogc/ogc-storage@.service busybox":                                    "one of the pulls names busybox:latest:latest, which no client takes",
}

// stampOutcome is what one run of `unitstamp stamp` did.
type stampOutcome struct {
	code   int
	stdout []byte
	stderr string
}

func stampWith(t *testing.T, program, file string, source []byte, repository string) stampOutcome {
	t.Helper()
	path := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(path, source, 0o644); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, "stamp", "--tag", stampedTag, "--image", repository, path)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	err := cmd.Run()
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		t.Fatal(err)
	}
	return stampOutcome{cmd.ProcessState.ExitCode(), stdout.Bytes(), strings.ReplaceAll(stderr.String(), filepath.Dir(path)+"/", "")}
}

// stampPair is one repository in one unit file, with the bytes that stamping it
// must give.
type stampPair struct {
	file       realUnit
	repository string // as written
	expected   []byte // nil if the oracle cannot tell
	unknown    string // why not
	unit       int    // index of the service, or -1 of a Quadlet file
}

// inTable tells that the pair counts in the table of docs/accuracy.md: the
// project's own files do not.
func (p stampPair) inTable() bool { return p.expected != nil && p.file.collected }

func (p stampPair) name() string { return p.file.file + " " + p.repository }

// servicePairs asks systemd, the shell and the clients about every repository of
// every service.
func servicePairs(files []realUnit, pairs []imageplaces.Pair) []stampPair {
	var out []stampPair
	for _, pair := range pairs {
		p := stampPair{file: files[pair.Unit], repository: pair.Spelling, unknown: pair.Unknown, unit: pair.Unit}
		if pair.Unknown == "" {
			p.expected = pair.Stamped(p.file.source, stampedTag)
		}
		out = append(out, p)
	}
	return out
}

var quadletImage = regexp.MustCompile(`(?m)^[ \t]*Image[ \t]*=[ \t]*([^\s$%{]+)[ \t\r]*$`)

// quadletPairs finds Image= in Quadlet files by a plain text search: the value is
// the whole line, and none of the files has a continuation there.
func quadletPairs(files []realUnit) []stampPair {
	var out []stampPair
	for _, file := range files {
		for _, found := range quadletImage.FindAllSubmatchIndex(file.source, -1) {
			value := string(file.source[found[2]:found[3]])
			if strings.HasSuffix(value, ".image") || strings.HasSuffix(value, ".build") {
				continue
			}
			repository, _ := imageplaces.Split(value)
			expected := slices.Concat(file.source[:found[2]], []byte(repository+":"+stampedTag), file.source[found[3]:])
			out = append(out, stampPair{file: file, repository: repository, expected: expected, unit: -1})
		}
	}
	return out
}

func TestOracleStampRealUnits(t *testing.T) {
	program := filepath.Join(programs.For(t, "unitstamp"), "unitstamp")
	files, units, judge, verdicts := realImages(t)
	known, err := judge.Pairs(t.Context(), units, verdicts)
	if err != nil {
		t.Fatal(err)
	}
	pairs := append(servicePairs(files, known), quadletPairs(realUnits(t, ".container"))...)

	var ours score
	total := 0
	var stamped []stampedUnit
	for _, pair := range pairs {
		outcome := stampWith(t, program, pair.file.name, pair.file.source, pair.repository)
		if outcome.code != 0 && (len(outcome.stdout) > 0 || outcome.stderr == "" || outcome.code < 0 || outcome.code > 2) {
			t.Errorf("%s: exit %d with %d bytes on stdout: %s", pair.name(), outcome.code, len(outcome.stdout), outcome.stderr)
		}
		if outcome.code == 0 && pair.unit >= 0 {
			stamped = append(stamped, stampedUnit{pair, outcome.stdout})
		}
		if pair.expected == nil {
			t.Logf("not judged by bytes: %s: %s: exit %d %s", pair.name(), pair.unknown, outcome.code, strings.TrimSpace(outcome.stderr))
			continue
		}
		total++
		reason, expectRefusal := refusedPairs[pair.name()]
		switch {
		case outcome.code != 0:
			ours.note(pair, refusedResult)
			if !expectRefusal {
				t.Errorf("%s: refused, exit %d: %s", pair.name(), outcome.code, outcome.stderr)
			} else {
				t.Logf("refused: %s: %s", pair.name(), reason)
			}
		case expectRefusal:
			t.Errorf("%s: stamped, but the table says it is refused: %s", pair.name(), reason)
		case !bytes.Equal(outcome.stdout, pair.expected):
			ours.note(pair, wrongResult)
			t.Errorf("%s: wrong bytes\n%s", pair.name(), lineDifference(pair.expected, outcome.stdout))
		default:
			if again := stampWith(t, program, pair.file.name, outcome.stdout, pair.repository); again.code != 0 || !bytes.Equal(again.stdout, outcome.stdout) {
				ours.note(pair, unstableResult)
				t.Errorf("%s: a second run changes it again", pair.name())
			}
		}
	}
	if refused := len(refusedPairs); corpus.Shared(t) != "" && 100*refused > 3*total {
		t.Errorf("%d of %d refused: more than 3 %%", refused, total)
	}
	checkMeaning(t, judge, units, verdicts, stamped)
	checkRefusals(t, program, files, verdicts)

	ours.name = "`unitstamp stamp`"
	table := accuracyTable(append([]score{ours}, sedScores(t, pairs)...), pairs)
	t.Logf("\n%s", table)
	if corpus.Shared(t) != "" {
		compareDocument(t, table)
	}
}

// sedScores runs every sed variant on the same pairs.
func sedScores(t *testing.T, pairs []stampPair) []score {
	t.Helper()
	var scores []score
	for _, variant := range sedVariants {
		s := score{name: variant.name + " `sed " + strings.ReplaceAll(variant.show, "|", "\\|") + "`"}
		for _, pair := range pairs {
			if pair.expected == nil {
				continue
			}
			out := variant.run(t, pair.file.source, pair.repository, stampedTag)
			if !bytes.Equal(out, pair.expected) {
				s.note(pair, wrongResult)
			}
			if !bytes.Equal(variant.run(t, out, pair.repository, stampedTag), out) {
				s.note(pair, unstableResult)
			}
		}
		scores = append(scores, s)
	}
	return scores
}

type stampedUnit struct {
	pair stampPair
	text []byte
}

// checkMeaning asks systemd, the shell and the clients about the stamped units:
// images of the repository carry the tag, all others are what they were.
func checkMeaning(t *testing.T, judge *imageplaces.Judge, units []systemdwords.Unit, verdicts []imageplaces.Verdict, stamped []stampedUnit) {
	t.Helper()
	var after []systemdwords.Unit
	for _, s := range stamped {
		unit := units[s.pair.unit]
		unit.Source = s.text
		after = append(after, unit)
	}
	seen, err := judge.Images(t.Context(), after)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range stamped {
		before := verdicts[s.pair.unit]
		if seen[i].Refused != before.Refused {
			t.Errorf("%s: systemd refuses the stamped unit: %s", s.pair.name(), seen[i].Refused)
			continue
		}
		want := imageplaces.StampedOperands(before.Images, s.pair.repository, stampedTag)
		if got := imageplaces.Operands(seen[i].Images); !imageplaces.Same(got, want) {
			t.Errorf("%s: the stamped unit's images are %q, want %q", s.pair.name(), got, want)
		}
	}
}

// checkRefusals holds that what systemd refuses is refused as unreadable.
func checkRefusals(t *testing.T, program string, files []realUnit, verdicts []imageplaces.Verdict) {
	t.Helper()
	for i, verdict := range verdicts {
		if verdict.Refused == "" {
			continue
		}
		if outcome := stampWith(t, program, files[i].name, files[i].source, "any/image"); outcome.code != 2 {
			t.Errorf("%s: exit %d, but systemd refuses the unit: %s", files[i].file, outcome.code, verdict.Refused)
		}
	}
}

// lineDifference shows the lines in which two texts differ.
func lineDifference(want, got []byte) string {
	a, b := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	var out strings.Builder
	for i := range max(len(a), len(b)) {
		var left, right string
		if i < len(a) {
			left = a[i]
		}
		if i < len(b) {
			right = b[i]
		}
		if left != right {
			fmt.Fprintf(&out, "line %d\n\twant %q\n\tgot  %q\n", i+1, left, right)
		}
	}
	return out.String()
}

const (
	tableBegin = "<!-- table: written by go test -tags lab ./lab -run OracleStamp -oracle.update -->\n"
	tableEnd   = "<!-- end of table -->\n"
)

// compareDocument holds the table of docs/accuracy.md against the one just made.
func compareDocument(t *testing.T, table string) {
	t.Helper()
	path := filepath.Join("..", "docs", "accuracy.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), tableBegin)
	old, after, closed := strings.Cut(rest, tableEnd)
	if !found || !closed {
		t.Fatalf("%s has no place for the table", path)
	}
	if *oracleUpdate {
		if err := os.WriteFile(path, []byte(before+tableBegin+table+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != table {
		t.Errorf("%s is out of date; run with -oracle.update", path)
	}
}
