package containerrun

import "strings"

// parser reads one command line.
type parser struct {
	args   []Arg
	client int
	found  Invocation
}

// parse reads from the client's global options on.
func (p *parser) parse(at int) (Invocation, bool) {
	at, ok := p.skipOptions(at, globals[p.client])
	if !ok {
		return p.found, p.namesImage(at)
	}
	p.found.Options = nil
	if at < len(p.args) && p.args[at].Open {
		p.issue(UnknownVerb, at, p.args[at].Text)
		return p.found, true
	}
	verb, at := p.verb(at)
	switch verb {
	case "run", "create":
		p.found.Verb = verb
		p.run(at)
	case "pull":
		p.found.Verb = verb
		p.pull(at)
	default:
		if len(p.found.Splices) == 0 {
			return Invocation{}, false
		}
		splice := p.found.Splices[0]
		p.issue(UnknownVerb, splice, p.args[splice].Text)
	}
	return p.found, true
}

// namesImage reports whether a command line that could not be read further seems
// to be one that names an image.
func (p *parser) namesImage(at int) bool {
	for _, a := range p.args[min(at, len(p.args)):] {
		switch a.Text {
		case "run", "create", "pull":
			return true
		}
	}
	return false
}

// verb reads the command: one word, or one of the groups and a word.
func (p *parser) verb(at int) (string, int) {
	word := func(i int) string {
		if i < len(p.args) && !p.args[i].Splits && !p.args[i].Open {
			return p.args[i].Text
		}
		return ""
	}
	first, second := word(at), word(at+1)
	switch {
	case first == "container" && (second == "run" || second == "create"):
		return second, at + 2
	case first == "image" && second == "pull":
		return second, at + 2
	}
	return first, at + 1
}

// skipOptions reads options of a fixed list up to the first word that is none. It
// is false after an option that the list does not have; the issue is then set.
func (p *parser) skipOptions(at int, known options) (int, bool) {
	for at < len(p.args) {
		a := p.args[at]
		if a.Splits {
			p.found.Splices = append(p.found.Splices, at)
			at++
			continue
		}
		if a.Open || len(a.Text) < 2 || a.Text[0] != '-' {
			return at, true
		}
		if a.Text == "--" {
			return at + 1, true
		}
		next, ok := p.option(at, func(name string) (value, ok bool) {
			value, ok = known[name]
			return value, ok
		})
		if !ok {
			return at, false
		}
		at = next
	}
	return at, true
}

// run reads the options of run and create; the first word that is none is the
// operand, and all after it is the container's command.
func (p *parser) run(at int) {
	rootfs := -1
	p.found.Options = make([]Option, 0, min(8, len(p.args)-min(at, len(p.args))))
	for at < len(p.args) {
		a := p.args[at]
		switch {
		case a.Splits:
			p.found.Splices = append(p.found.Splices, at)
			at++
			continue
		case a.Open || len(a.Text) < 2 || a.Text[0] != '-':
			p.operand(at, rootfs)
			return
		case a.Text == "--":
			if at+1 < len(p.args) {
				p.operand(at+1, rootfs)
			} else {
				p.issue(NoOperand, at, "--")
			}
			return
		}
		if legacy, ok := p.legacyLong(a.Text); ok {
			p.issue(LegacyOption, at, legacy)
			return
		}
		next, ok := p.option(at, p.runOption)
		if !ok {
			return
		}
		if p.client == podman && (a.Text == "--rootfs" || a.Text == "--rootfs=true") {
			rootfs = at
		}
		at = next
	}
	if len(p.found.Splices) == 0 {
		p.issue(NoOperand, len(p.args)-1, p.args[len(p.args)-1].Text)
	}
}

// operand takes a word for the image, unless something speaks against it.
func (p *parser) operand(at, rootfs int) {
	if rootfs >= 0 {
		p.issue(Rootfs, rootfs, p.args[rootfs].Text)
		return
	}
	if dash := typographicDash(p.args[at].Text); dash != "" {
		p.issue(TypographicDash, at, dash)
		return
	}
	p.found.Images = []int{at}
}

// pull reads operands and options in any order. docker and nerdctl take one
// operand, podman several.
func (p *parser) pull(at int) {
	known := func(name string) (value, ok bool) {
		if value, ok = pulls[p.client][name]; !ok && p.client != docker {
			value, ok = globals[p.client][name]
		}
		return value, ok
	}
	onlyOperands := false
	for at < len(p.args) {
		a := p.args[at]
		switch {
		case a.Splits && len(p.found.Images) == 0:
			p.found.Splices = append(p.found.Splices, at)
			at++
		case !onlyOperands && a.Text == "--":
			onlyOperands = true
			at++
		case onlyOperands || a.Open || a.Splits || len(a.Text) < 2 || a.Text[0] != '-':
			if dash := typographicDash(a.Text); dash != "" {
				p.issue(TypographicDash, at, dash)
				return
			}
			if len(p.found.Images) == 0 || p.client == podman {
				p.found.Images = append(p.found.Images, at)
			}
			at++
		default:
			next, ok := p.option(at, known)
			if !ok {
				p.found.Images = nil
				return
			}
			at = next
		}
	}
	_, p.found.AllTags = p.found.Option("-a", "--all-tags")
	if len(p.found.Images) == 0 && len(p.found.Splices) == 0 {
		p.issue(NoOperand, len(p.args)-1, p.args[len(p.args)-1].Text)
	}
}

// runOption looks an option of run up. Options that are long gone count where
// they cannot be read in two ways.
func (p *parser) runOption(name string) (value, ok bool) {
	f, gone, ok := find(p.client, name)
	if ok && (gone == "" || strings.HasPrefix(name, "--")) {
		return f.value, true
	}
	if p.client != docker { // podman's and nerdctl's globals may follow the verb
		value, ok = globals[p.client][name]
		return value, ok
	}
	return false, false
}

// legacyLong finds a long option behind a single dash, or a short one that only
// old versions had.
func (p *parser) legacyLong(text string) (string, bool) {
	name, _, _ := strings.Cut(text, "=")
	if strings.HasPrefix(name, "--") {
		return "", false
	}
	if p.client == docker {
		if _, gone, ok := find(docker, name); ok && gone != "" {
			return name, true
		}
		return "", false
	}
	// podman and nerdctl never had them, and read -name as -n, -a, -m, -e.
	if f, gone, ok := find(docker, name); ok && gone != "" && len(f.name) > 2 {
		return name, true
	}
	return "", false
}

// option reads the option at an index, a long one or short ones written together,
// and returns the index of the next word. It is false, with the issue set, when
// one is not known.
func (p *parser) option(at int, lookup func(name string) (value, ok bool)) (next int, ok bool) {
	text := p.args[at].Text
	if dash := typographicDash(strings.TrimLeft(text, "-")); dash != "" {
		p.issue(TypographicDash, at, dash)
		return at, false
	}
	if strings.HasPrefix(text, "--") {
		name, value, hasValue := strings.Cut(text, "=")
		takes, ok := lookup(name)
		if !ok {
			p.issue(UnknownOption, at, name)
			return at, false
		}
		if takes && !hasValue {
			return p.valueAfter(at, name), true
		}
		p.found.Options = append(p.found.Options, Option{Name: name, Value: value, Arg: at, ValueArg: at})
		return at + 1, true
	}
	letters := text[1:]
	for i := range len(letters) {
		name := "-" + letters[i:i+1]
		takes, ok := lookup(name)
		if !ok {
			p.issue(UnknownOption, at, name)
			return at, false
		}
		rest := letters[i+1:]
		switch {
		case len(rest) > 1 && rest[0] == '=':
			p.found.Options = append(p.found.Options, Option{Name: name, Value: rest[1:], Arg: at, ValueArg: at})
			return at + 1, true
		case !takes:
			p.found.Options = append(p.found.Options, Option{Name: name, Arg: at, ValueArg: at})
		case rest != "":
			p.found.Options = append(p.found.Options, Option{Name: name, Value: rest, Arg: at, ValueArg: at})
			return at + 1, true
		default:
			return p.valueAfter(at, name), true
		}
	}
	return at + 1, true
}

// valueAfter takes the next word as an option's value, whatever it looks like.
func (p *parser) valueAfter(at int, name string) int {
	option := Option{Name: name, Arg: at, ValueArg: at}
	if at+1 < len(p.args) {
		option.Value, option.ValueArg = p.args[at+1].Text, at+1
		if p.args[at+1].Splits {
			p.found.Splices = append(p.found.Splices, at+1)
		}
	}
	p.found.Options = append(p.found.Options, option)
	return at + 2
}

func (p *parser) issue(kind IssueKind, at int, text string) {
	p.found.Issue = &Issue{Kind: kind, Arg: at, Text: text}
}

// typographicDashes are what editors and web pages make of "-" and "--".
var typographicDashes = []string{"\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\u2015", "\u2212", "\ufe58", "\ufe63", "\uff0d"}

// typographicDash returns the dash at the start of a word, if it is none that a
// program understands.
func typographicDash(text string) string {
	if text == "" || text[0] < 0x80 {
		return ""
	}
	for _, dash := range typographicDashes {
		if strings.HasPrefix(text, dash) {
			return dash
		}
	}
	return ""
}
