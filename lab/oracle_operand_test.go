//go:build lab

package lab

import (
	"encoding/csv"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/unitstamp/unitstamp/internal/oracle/dockeroperand"
	"github.com/unitstamp/unitstamp/internal/oracle/imageplaces"
	"github.com/unitstamp/unitstamp/internal/oracle/systemdwords"
	"github.com/unitstamp/unitstamp/pkg/containerrun"
)

var oracleArgvs = flag.Int("oracle.argvs", 500, "number of generated command lines for each client")

// comparison says how our reading of a command line and the client's relate.
type comparison struct {
	wrong  string // what is wrong with ours
	excuse string // why both differ on purpose, or cannot be compared
}

// compareOperand judges our reading of one command line, without variables.
func compareOperand(client dockeroperand.Client, args []string, answer dockeroperand.Answer, known map[string]bool) comparison {
	words := []containerrun.Arg{{Text: string(client)}}
	for _, arg := range args {
		words = append(words, containerrun.Arg{Text: arg})
	}
	ours, isOurs := containerrun.Parse(words)
	var operands []string
	for _, at := range ours.Images {
		operands = append(operands, words[at].Text)
	}
	if len(answer.Requests) > 0 {
		return compareFound(client, ours, isOurs, operands, answer)
	}
	refusal, _, _ := strings.Cut(answer.Refusal, "\n")
	switch {
	case strings.Contains(answer.Refusal, "not answered: "):
		if isOurs {
			return comparison{wrong: "we take a command without an image for one with: " + refusal}
		}
	case strings.Contains(refusal, "unknown flag: ") || strings.Contains(refusal, "unknown shorthand flag: "):
		if ours.Issue != nil || !isOurs {
			break
		}
		if name := unknownFlag(refusal); known[name] {
			return comparison{excuse: "an option that this version of the client does not have"}
		}
		return comparison{wrong: "we find no fault: " + refusal}
	case strings.Contains(refusal, "requires at least 1 argument") || strings.Contains(refusal, "requires 1 argument") ||
		strings.Contains(refusal, "requires exactly 1 argument") || strings.Contains(refusal, "must specify at least one image"):
		if len(ours.Images) == 1 && !strings.Contains(refusal, "exactly 1") && !strings.Contains(refusal, "requires 1 ") {
			return comparison{wrong: fmt.Sprintf("we find the operand %q: %s", operands, refusal)}
		}
	case strings.Contains(refusal, "flag needs an argument"):
		if ours.Verb == "pull" && len(ours.Images) > 0 {
			return comparison{excuse: "the last option of a pull lacks its value: the client refuses the line, the operand is clear"}
		}
		if len(ours.Images) > 0 {
			return comparison{wrong: fmt.Sprintf("we find the operand %q: %s", operands, refusal)}
		}
	case strings.Contains(refusal, "invalid reference format") || strings.Contains(refusal, "invalid repository name"):
		if isOurs && ours.Issue == nil && len(ours.Images) == 0 {
			return comparison{wrong: "we find no operand: " + refusal}
		}
	default:
		return comparison{excuse: "the client refuses a value before it names the image"}
	}
	return comparison{}
}

// compareFound judges our reading of a command line for which the client asked
// the engine.
func compareFound(client dockeroperand.Client, ours containerrun.Invocation, isOurs bool, operands []string, answer dockeroperand.Answer) comparison {
	// With --pull docker pulls before it creates; podman pulls several images.
	last := answer.Requests[len(answer.Requests)-1]
	theirs := []string{last.Image}
	if client == dockeroperand.Podman && ours.Verb == "pull" {
		theirs = nil
		for _, request := range answer.Requests {
			theirs = append(theirs, request.Image)
		}
	}
	if client == dockeroperand.Docker && last.Verb == "pull" {
		for i := range operands {
			operands[i] = asPulled(operands[i], ours.AllTags)
		}
		theirs[0] = asPulled(theirs[0], true) // clients before 23 leave the defaults out
	}
	switch {
	case !isOurs:
		return comparison{wrong: fmt.Sprintf("we see no image, the client asks for %q", theirs)}
	case ours.Issue != nil && ours.Issue.Kind == containerrun.LegacyOption:
		return comparison{excuse: "a long option behind one dash: read in two ways by old and new clients"}
	case ours.Issue != nil && ours.Issue.Kind == containerrun.TypographicDash:
		return comparison{excuse: "a typographic dash: surely a mistake"}
	case ours.Issue != nil && ours.Issue.Kind == containerrun.Rootfs && last.Image == "":
		return comparison{}
	case ours.Issue != nil:
		return comparison{wrong: fmt.Sprintf("we have an issue %+v, the client asks for %q", *ours.Issue, theirs)}
	case !slices.Equal(operands, theirs):
		return comparison{wrong: fmt.Sprintf("our operands are %q, the client asks for %q", operands, theirs)}
	}
	return comparison{}
}

// asPulled gives a reference the form in which docker asks for it: with the
// defaults of Docker Hub, and of tag and digest only the digest.
func asPulled(reference string, allTags bool) string {
	repository, suffix := imageplaces.Split(reference)
	if _, digest, found := strings.Cut(suffix, "@"); found {
		suffix = "@" + digest
	}
	if suffix == "" && !allTags {
		suffix = ":latest"
	}
	return imageplaces.Normal(repository) + suffix
}

// unknownFlag takes the option's name out of docker's complaint.
func unknownFlag(refusal string) string {
	if _, name, found := strings.Cut(refusal, "unknown flag: "); found {
		return strings.TrimSpace(name)
	}
	if _, rest, found := strings.Cut(refusal, "unknown shorthand flag: '"); found {
		return "-" + rest[:1]
	}
	return ""
}

// tableRow is one option of the table that the product's own is generated from.
type tableRow struct {
	name           string
	docker, podman bool
}

func optionTable(t *testing.T) (rows []tableRow, known map[string]bool) {
	t.Helper()
	file, err := os.Open(filepath.Join("..", "pkg", "containerrun", "flags.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader := csv.NewReader(file)
	reader.Comma, reader.Comment, reader.FieldsPerRecord = '\t', '#', -1
	records, err := reader.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	known = map[string]bool{}
	for _, record := range records[1:] {
		rows = append(rows, tableRow{name: record[0], docker: record[2] != "", podman: record[3] != ""})
		known[record[0]] = true
	}
	return rows, known
}

// tally reports the comparisons of a test: what is wrong by name, excuses by number.
type tally struct {
	compared, wrong int
	excused         map[string]int
}

func (s *tally) add(t *testing.T, name string, args []string, c comparison) {
	t.Helper()
	s.compared++
	switch {
	case c.wrong != "":
		if s.wrong++; s.wrong <= 40 {
			t.Errorf("%s %q: %s", name, args, c.wrong)
		}
	case c.excuse != "":
		if s.excused == nil {
			s.excused = map[string]int{}
		}
		s.excused[c.excuse]++
	}
}

func (s *tally) report(t *testing.T) {
	t.Helper()
	t.Logf("%d command lines, %d wrong", s.compared, s.wrong)
	for _, excuse := range slices.Sorted(maps.Keys(s.excused)) {
		t.Logf("%d not compared: %s", s.excused[excuse], excuse)
	}
}

// realAnswers is what the real programs say about the services of the collection.
// They are asked once for all tests.
var realAnswers struct {
	sync.Once
	files    []realUnit
	units    []systemdwords.Unit
	judge    *imageplaces.Judge
	verdicts []imageplaces.Verdict
	err      error
}

// realImages asks which images the services of the collection name.
func realImages(t *testing.T) ([]realUnit, []systemdwords.Unit, *imageplaces.Judge, []imageplaces.Verdict) {
	t.Helper()
	a := &realAnswers
	a.Do(func() {
		a.files = realUnits(t, ".service")
		for _, file := range a.files {
			a.units = append(a.units, systemdwords.Unit{Name: file.name, Instance: "7", Source: file.source})
		}
		a.judge = &imageplaces.Judge{Workers: 2, Podman: true}
		a.verdicts, a.err = a.judge.Images(t.Context(), a.units)
	})
	if a.err != nil || a.judge == nil {
		t.Fatalf("the real programs could not be asked: %v", a.err)
	}
	return a.files, a.units, a.judge, a.verdicts
}

func TestOracleOperandRealUnits(t *testing.T) {
	_, known := optionTable(t)
	files, _, _, verdicts := realImages(t)
	type line struct{ file, key string }
	calls := map[dockeroperand.Client][][]string{}
	lines := map[dockeroperand.Client][]line{}
	for i, verdict := range verdicts {
		for _, image := range verdict.Images {
			client, args := dockeroperand.Client(image.Argv[0]), image.Argv[1:]
			if client == "systemd-docker" {
				client, args = dockeroperand.Docker, args[max(0, slices.Index(args, "run")):]
			}
			calls[client] = append(calls[client], args)
			lines[client] = append(lines[client], line{files[i].file, image.Key})
		}
	}
	var sum tally
	for _, client := range []dockeroperand.Client{dockeroperand.Docker, dockeroperand.Podman} {
		for i, answer := range askClient(t, client, calls[client]) {
			args := calls[client][i]
			c := compareOperand(client, args, answer, known)
			sum.add(t, lines[client][i].file+" "+lines[client][i].key+": "+string(client), args, c)
			if c.excuse != "" {
				refusal, _, _ := strings.Cut(answer.Refusal, "\n")
				t.Logf("%s %s: %s: %s", lines[client][i].file, lines[client][i].key, c.excuse, refusal)
			}
		}
	}
	sum.report(t)
}

// values are tried in turn until the client takes one for an option.
var values = []string{"a", "1", "a=b", "127.0.0.1", "64m", "80:80", "/x:/y", "host", "always", "none", "10s", "linux/amd64", "type=bind,source=/x,target=/y",
	"stdin", "private", "a:b", "/dev/null", "all", "b 8:0 rwm", "/dev/sda:1mb", "/dev/sda:100", "c 1:3 rwm", "nofile=1024", "2001:db8::1", "92:d0:c6:0a:29:33", "0:1:2", "no-new-privileges",
	"ctrl-a", "/dev/sda:10", "true", "0.5", "0-1", "k8s-file", "conmon", "image", "enabled", "/etc/file.json", "0:100000:65536", "rw", "sigterm", "label=disable", "missing", "kubernetes"}

// option is one option as the client knows it, learnt by asking.
type option struct {
	name  string
	value string // one that is accepted; only if takes
	takes bool
}

// learnOptions finds out from the client alone which of the names it knows, which
// take a value, and one value that it accepts. The names that it knows but takes
// no value of ours for are returned apart.
func learnOptions(t *testing.T, client dockeroperand.Client, names []string) (options []option, stubborn []string) {
	t.Helper()
	open := slices.Clone(names)
	var calls [][]string
	for _, name := range open {
		calls = append(calls, []string{"create", name, "first", "second"}, []string{"create", name, "first"})
	}
	answers := askClient(t, client, calls)
	var rest []string
	for i, name := range open {
		operand, found := answers[2*i].Operand()
		switch {
		case found && operand == "first":
			options = append(options, option{name: name})
		case found && operand == "second":
			options = append(options, option{name: name, takes: true, value: "first"})
		case strings.Contains(answers[2*i].Refusal, "unknown "):
		default:
			rest = append(rest, name)
		}
	}
	for _, value := range values {
		calls = nil
		for _, name := range rest {
			calls = append(calls, []string{"create", name, value, "second"})
		}
		var still []string
		for i, answer := range askClient(t, client, calls) {
			if operand, found := answer.Operand(); found && operand == "second" {
				options = append(options, option{name: rest[i], takes: true, value: value})
			} else {
				still = append(still, rest[i])
			}
		}
		rest = still
	}
	return options, rest
}

func TestOracleOperandOptions(t *testing.T) {
	rows, known := optionTable(t)
	for _, client := range []dockeroperand.Client{dockeroperand.Docker, dockeroperand.Podman} {
		options, stubborn := learnOptions(t, client, optionNames(rows))
		t.Logf("%s: %d options learnt, no accepted value for %q", client, len(options), stubborn)
		if len(options) < 100 {
			t.Errorf("%s: only %d options could be tried", client, len(options))
		}
		t.Run(string(client)+"/every", func(t *testing.T) {
			compareAll(t, client, everyOption(options, stubborn), known)
		})
		t.Run(string(client)+"/generated", func(t *testing.T) {
			random := rand.New(rand.NewPCG(*oracleSeed, 1))
			var calls [][]string
			for range *oracleArgvs {
				calls = append(calls, generatedArgs(random, client, options))
			}
			compareAll(t, client, calls, known)
		})
	}
}

func compareAll(t *testing.T, client dockeroperand.Client, calls [][]string, known map[string]bool) {
	t.Helper()
	var sum tally
	for i, answer := range askClient(t, client, calls) {
		sum.add(t, string(client), calls[i], compareOperand(client, calls[i], answer, known))
	}
	sum.report(t)
}

// everyOption uses each option in each way in which it can be written.
func everyOption(options []option, stubborn []string) [][]string {
	var calls [][]string
	for _, o := range options {
		if !o.takes {
			calls = append(calls, []string{"create", o.name, "img", "x"}, []string{"create", o.name + "=true", "img"},
				[]string{"create", o.name, "true", "img"}, []string{"create", o.name + "=false", "--", "img"})
			continue
		}
		calls = append(calls, []string{"create", o.name, o.value, "img", "x"}, []string{"create", o.name + "=" + o.value, "img"})
		if len(o.name) == 2 {
			calls = append(calls, []string{"create", o.name + o.value, "img"}, []string{"create", "-i" + o.name[1:] + o.value, "img"},
				[]string{"create", "-ti" + o.name[1:], o.value, "img"})
		}
	}
	for _, name := range stubborn {
		calls = append(calls, []string{"create", name, "first", "second"})
	}
	return calls
}

func optionNames(rows []tableRow) []string {
	var names []string
	for _, row := range rows {
		names = append(names, row.name)
	}
	return names
}

// oddWords look like something else than they are, or are mistakes that occur.
var oddWords = []string{"-", "", "--", "-rm", "-link", "--unknown", "--rm=true", "--rm", "true", "false", "-it=false", "-itd", "-e=x", "-eA=b", "-d", "-p80:80", "-itdp", "--name", "--name=x",
	"-v", "—rm", "--nam", "--net", "-zz", "--no-healthcheck", "--label", "-l", "--env", "-P", "-q", "-a", "--pull=never", "-h", "x", "--volumes-from", "-c", "-expose", "-volumes-from"}

var operands = []string{"img", "img:1", "a/b", "registry:5000/a/b:x-1", "localhost/a", "docker.io/library/redis", "img@sha256:" + strings.Repeat("0f", 32), "a/b:1@sha256:" + strings.Repeat("0f", 32),
	"Repo/x", "IMG", "x:", ":x", "a//b", "-img", "sha256:" + strings.Repeat("ab", 32)}

func generatedArgs(random *rand.Rand, client dockeroperand.Client, options []option) []string {
	pick := func(list []string) string { return list[random.IntN(len(list))] }
	var args []string
	globals := [][]string{{"-D"}, {"--log-level", "debug"}, {"--log-level=info"}, {"-l", "warn"}, {"--config", "/home/c"}, {"--debug"}, {"-Dl", "error"}}
	if client == dockeroperand.Podman {
		globals = [][]string{{"--log-level", "error"}, {"--log-level=info"}}
	}
	for random.IntN(5) == 0 {
		args = append(args, globals[random.IntN(len(globals))]...)
	}
	verb := pick([]string{"run", "run", "create", "create", "container run", "container create", "pull", "image pull"})
	args = append(args, strings.Fields(verb)...)
	if strings.HasSuffix(verb, "pull") {
		return append(args, pullArgs(random, pick)...)
	}
	for range random.IntN(6) {
		if random.IntN(9) == 0 {
			args = append(args, pick(oddWords))
			continue
		}
		args = append(args, usedOption(random, options[random.IntN(len(options))])...)
	}
	if random.IntN(8) == 0 {
		args = append(args, "--")
	}
	args = append(args, pick(operands[:6+random.IntN(len(operands)-5)]))
	for range random.IntN(3) {
		args = append(args, pick(oddWords))
	}
	return args
}

func pullArgs(random *rand.Rand, pick func([]string) string) []string {
	words := []string{"-q", "--quiet", "--platform=linux/amd64", "--disable-content-trust", "-a", "--all-tags", "--", "-z", "--platform", "linux/arm64", "-", "extra"}
	var args []string
	for random.IntN(3) == 0 {
		args = append(args, pick(words))
	}
	args = append(args, pick(operands))
	for random.IntN(3) == 0 {
		args = append(args, pick(words))
	}
	return args
}

// usedOption writes an option in one of the ways that the clients know.
func usedOption(random *rand.Rand, o option) []string {
	short := len(o.name) == 2
	switch way := random.IntN(6); {
	case !o.takes && short && way < 2:
		return []string{"-" + []string{"i", "t", "it", "ti"}[random.IntN(4)] + o.name[1:]}
	case !o.takes && way == 2:
		return []string{o.name + "=" + []string{"true", "false", "1"}[random.IntN(3)]}
	case !o.takes:
		return []string{o.name}
	case short && way == 0:
		return []string{o.name + o.value}
	case short && way == 1:
		return []string{"-it" + o.name[1:], o.value}
	case way <= 2:
		return []string{o.name + "=" + o.value}
	case way == 3 && slices.Contains([]string{"-e", "--env", "-l", "--label", "--entrypoint", "-h", "--hostname", "--name"}, o.name):
		return []string{o.name, []string{"-d", "--", "img", "--rm", "-"}[random.IntN(5)]}
	}
	return []string{o.name, o.value}
}
