//go:build linux

package imageplaces

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/unitstamp/unitstamp/internal/oracle/systemdwords"
)

// Place is a stretch of a unit file that decides about an image's tag: a
// repository with the tag or digest that follows it, or a tag that stands
// elsewhere, as the value of a variable.
type Place struct {
	Start, End int
	Keep       string // what of the stretch stays: `repository:`, or nothing of a tag
}

// Pair is one repository in one unit.
type Pair struct {
	Unit       int    // index into the units
	Repository string // as Docker Hub's defaults make it: `docker.io/library/redis`
	Spelling   string // as the file has it, or as a client sent it
	Places     []Place
	// Unknown tells why the expected bytes of the pair cannot be known.
	Unknown string
}

// Pairs finds the places of every image whose repository is known. The verdicts
// are those of Images on the same units.
func (j *Judge) Pairs(ctx context.Context, units []systemdwords.Unit, verdicts []Verdict) ([]Pair, error) {
	byRepository, err := j.probe(ctx, units, verdicts, "zq%04dx", spellings)
	if err != nil {
		return nil, err
	}
	byTag, err := j.probe(ctx, units, verdicts, "zt%04dx", tags)
	if err != nil {
		return nil, err
	}
	var pairs []Pair
	for i := range units {
		pairs = append(pairs, pairsOf(i, units[i].Source, verdicts[i].Images, byRepository[i], byTag[i])...)
	}
	return pairs, j.confirm(ctx, units, verdicts, pairs)
}

// confirm asks about the stamped text of every pair and takes back what it says
// of those that come out wrong: places may get in each other's way.
func (j *Judge) confirm(ctx context.Context, units []systemdwords.Unit, verdicts []Verdict, pairs []Pair) error {
	const tag = "zq-confirm"
	var stamped []systemdwords.Unit
	var which []int
	for i, pair := range pairs {
		if pair.Unknown == "" {
			unit := units[pair.Unit]
			unit.Source = pair.Stamped(unit.Source, tag)
			stamped = append(stamped, unit)
			which = append(which, i)
		}
	}
	after, err := j.Images(ctx, stamped)
	if err != nil {
		return err
	}
	for k, i := range which {
		want := StampedOperands(verdicts[pairs[i].Unit].Images, pairs[i].Repository, tag)
		if !Same(Operands(after[k].Images), want) {
			pairs[i].Unknown = "no set of places is right for all commands at once"
		}
	}
	return nil
}

// Same tells that two lists hold the same operands, in any order and each
// counted once: of equal commands in a script only the first is seen, and what
// stands in the background runs when it likes.
func Same(a, b []string) bool { return slices.Equal(sortedUnique(a), sortedUnique(b)) }

func sortedUnique(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// Operands are the operands of the images, empty where unknown.
func Operands(images []Image) []string {
	var list []string
	for _, image := range images {
		list = append(list, image.Operand)
	}
	return list
}

// StampedOperands are the operands that the images must have once the
// repository, in any spelling, carries the tag.
func StampedOperands(images []Image, repository, tag string) []string {
	var list []string
	for _, image := range images {
		name, _ := Split(image.Operand)
		if image.Operand != "" && Normal(name) == Normal(repository) {
			list = append(list, name+":"+tag)
		} else {
			list = append(list, image.Operand)
		}
	}
	return list
}

// probe is one unit with marks, and what became of its images.
type probe struct {
	marks  []mark
	images []Image
}

// probe marks every place where one of the texts stands and asks again.
func (j *Judge) probe(ctx context.Context, units []systemdwords.Unit, verdicts []Verdict, form string, texts func(Verdict) []string) ([]probe, error) {
	marked := make([]systemdwords.Unit, len(units))
	probes := make([]probe, len(units))
	for i, unit := range units {
		probes[i].marks = findMarks(unit.Source, texts(verdicts[i]), form)
		marked[i] = systemdwords.Unit{Name: unit.Name, Instance: unit.Instance, Source: setMarks(unit.Source, probes[i].marks)}
	}
	after, err := j.Images(ctx, marked)
	if err != nil {
		return nil, err
	}
	for i := range probes {
		probes[i].images = after[i].Images
	}
	return probes, nil
}

// Stamped returns the unit's text with every place of the pair carrying the tag.
func (p Pair) Stamped(source []byte, tag string) []byte {
	var out []byte
	done := 0
	for _, place := range p.Places {
		out = append(out, source[done:place.Start]...)
		out = append(out, place.Keep+tag...)
		done = place.End
	}
	return append(out, source[done:]...)
}

// Split parts a reference into repository and suffix: the tag follows the last
// colon after the last slash, the digest the `@`.
func Split(reference string) (repository, suffix string) {
	end := len(reference)
	if at := strings.IndexByte(reference, '@'); at >= 0 {
		end = at
	}
	slash := strings.LastIndexByte(reference[:end], '/')
	if colon := strings.LastIndexByte(reference[:end], ':'); colon > slash {
		end = colon
	}
	return reference[:end], reference[end:]
}

// Normal adds Docker Hub's defaults to a repository.
func Normal(repository string) string {
	host, rest, found := strings.Cut(repository, "/")
	switch {
	case !found:
		return "docker.io/library/" + repository
	case host == "docker.io" || host == "index.docker.io":
		if !strings.Contains(rest, "/") {
			rest = "library/" + rest
		}
		return "docker.io/" + rest
	case strings.ContainsAny(host, ".:") || host == "localhost" || host != strings.ToLower(host):
		return repository
	}
	return "docker.io/" + repository
}

// spellings are the repositories of a verdict. The clients send some with their
// defaults filled in, so shorter forms that the file may hold are added.
func spellings(verdict Verdict) []string {
	var texts []string
	add := func(text string) {
		if text != "" && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	for _, image := range verdict.Images {
		repository, _ := Split(image.Operand)
		if repository == "" {
			continue
		}
		full := Normal(repository)
		add(repository)
		add(full)
		if short, found := strings.CutPrefix(full, "docker.io/"); found {
			add(short)
			add("index.docker.io/" + short)
			if shorter, found := strings.CutPrefix(short, "library/"); found {
				add(shorter)
				add("docker.io/" + shorter)
			}
		}
	}
	// Longer ones first: a place belongs to the longest text that fits.
	slices.SortStableFunc(texts, func(a, b string) int { return len(b) - len(a) })
	return texts
}

// writtenForm is the form of a repository that stands in the file. Clients send
// some in a longer form.
func writtenForm(source []byte, repository string) string {
	for _, form := range spellings(Verdict{Images: []Image{{Operand: repository}}}) {
		if len(findMarks(source, []string{form}, "%d")) > 0 {
			return form
		}
	}
	return repository
}

// tags are the tags of a verdict's images.
func tags(verdict Verdict) []string {
	var texts []string
	for _, image := range verdict.Images {
		_, suffix := Split(image.Operand)
		tag, found := strings.CutPrefix(suffix, ":")
		if found && !strings.Contains(tag, "@") && !slices.Contains(texts, tag) {
			texts = append(texts, tag)
		}
	}
	slices.SortStableFunc(texts, func(a, b string) int { return len(b) - len(a) })
	return texts
}

// mark is a place where a text that is looked for stands.
type mark struct {
	start, end int
	text       string // what it is replaced by
}

func findMarks(source []byte, wanted []string, form string) []mark {
	var marks []mark
	text := string(source)
	for _, want := range wanted {
		for at := 0; ; {
			found := strings.Index(text[at:], want)
			if found < 0 {
				break
			}
			start := at + found
			end := start + len(want)
			at = start + 1
			if standsAlone(text, start, end) && !slices.ContainsFunc(marks, func(m mark) bool { return start < m.end && m.start < end }) {
				marks = append(marks, mark{start: start, end: end})
			}
		}
	}
	slices.SortFunc(marks, func(a, b mark) int { return a.start - b.start })
	for i := range marks {
		marks[i].text = fmt.Sprintf(form, i)
	}
	return marks
}

// standsAlone tells that the text is not a part of a longer name.
func standsAlone(text string, start, end int) bool {
	if start > 0 && isNameByte(text[start-1]) || start > 0 && strings.IndexByte(`/:@%\`, text[start-1]) >= 0 {
		return false
	}
	if end == len(text) {
		return true
	}
	if text[end] == '.' {
		return end+1 == len(text) || !isNameByte(text[end+1])
	}
	return !isNameByte(text[end]) && text[end] != '/'
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
}

func setMarks(source []byte, marks []mark) []byte {
	var out []byte
	done := 0
	for _, m := range marks {
		out = append(out, source[done:m.start]...)
		out = append(out, m.text...)
		done = m.end
	}
	return append(out, source[done:]...)
}

var literalSuffix = regexp.MustCompile(`^(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?(?:@sha256:[0-9a-f]{64})?`)

// pairsOf matches the images of one unit before and after marking.
func pairsOf(unit int, source []byte, images []Image, byRepository, byTag probe) []Pair {
	var pairs []Pair
	pairOf := func(repository string) *Pair {
		full := Normal(repository)
		for i := range pairs {
			if pairs[i].Repository == full {
				return &pairs[i]
			}
		}
		pairs = append(pairs, Pair{Unit: unit, Repository: full, Spelling: writtenForm(source, repository)})
		return &pairs[len(pairs)-1]
	}
	for i, image := range images {
		if image.Operand == "" {
			continue
		}
		repository, _ := Split(image.Operand)
		pair := pairOf(repository)
		if len(byRepository.images) != len(images) || len(byTag.images) != len(images) {
			pair.Unknown = "the marks change which commands are run"
			continue
		}
		place, why := placeOf(source, image.Operand, byRepository.marks, byRepository.images[i].Operand)
		if why == tagElsewhere {
			place, why = tagPlaceOf(byTag.marks, byTag.images[i].Operand)
		}
		if why != "" {
			pair.Unknown = why
			continue
		}
		if !slices.Contains(pair.Places, place) {
			pair.Places = append(pair.Places, place)
		}
	}
	for i := range pairs {
		slices.SortFunc(pairs[i].Places, func(a, b Place) int { return a.Start - b.Start })
	}
	return pairs
}

const tagElsewhere = "the tag does not stand behind the repository"

// placeOf finds the place whose mark the operand carries.
func placeOf(source []byte, operand string, marks []mark, marked string) (Place, string) {
	repository, suffix := Split(operand)
	for _, m := range marks {
		if !strings.Contains(marked, m.text) {
			continue
		}
		written := string(source[m.start:m.end])
		literal := literalSuffix.FindString(string(source[m.end:]))
		if Normal(written) != Normal(repository) {
			return Place{}, "the repository is put together from several places"
		}
		// A pull without a tag is sent as `:latest`.
		bare := literal == "" && suffix == ":latest" && !strings.HasPrefix(string(source[m.end:]), ":")
		if literal != suffix && !bare && !digestBesideTag(literal, suffix) {
			return Place{}, tagElsewhere
		}
		return Place{Start: m.start, End: m.end + len(literal), Keep: written + ":"}, ""
	}
	return Place{}, "the repository does not stand in the file as it is used"
}

func tagPlaceOf(marks []mark, marked string) (Place, string) {
	for _, m := range marks {
		if strings.HasSuffix(marked, ":"+m.text) {
			return Place{Start: m.start, End: m.end}, ""
		}
	}
	return Place{}, "the tag does not stand in the file as it is used"
}

// digestBesideTag tells that of `:tag@digest` only the digest was sent.
func digestBesideTag(literal, suffix string) bool {
	return strings.HasPrefix(suffix, "@") && strings.HasSuffix(literal, suffix)
}
