// Package docpage reads the examples of a page of the documentation, so that
// tests can run them: files that the page shows, and commands with what they
// print.
package docpage

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// A Page is what a page holds besides prose.
type Page struct {
	// Files are fenced blocks with a line "`path`:" before them.
	Files map[string]string
	// Sessions are fenced blocks of the kind "console", in order.
	Sessions []Session
	// Scripts are fenced blocks of the kind "sh".
	Scripts []string
}

// A Session is a block of commands. What follows "console" in its first line
// tells where it is meant to run.
type Session struct {
	Where    string
	Commands []Command
}

// A Command is a line behind "$ ", with all that it prints on either stream,
// and its exit code, which a last line such as "[1]" tells if it is not 0.
type Command struct {
	Line   int // in the page, from 1
	Text   string
	Output string
	Code   int
}

var (
	fileName = regexp.MustCompile("^`([^`]+)`:$")
	exitCode = regexp.MustCompile(`^\[(\d+)\]$`)
	duration = regexp.MustCompile(`\b\d+(\.\d+)?(ms|s)\b`)
	moment   = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	commit   = regexp.MustCompile(`\b([0-9a-f]{40}|[0-9a-f]{10})\b`)
)

// Read takes a page apart.
func Read(path string) (*Page, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p := &Page{Files: map[string]string{}}
	lines := strings.Split(string(text), "\n")
	name := ""
	for i := 0; i < len(lines); i++ {
		kind, fence := strings.CutPrefix(lines[i], "```")
		if !fence {
			if m := fileName.FindStringSubmatch(lines[i]); m != nil {
				name = m[1]
			} else if lines[i] != "" {
				name = ""
			}
			continue
		}
		begin := i + 1
		for i++; i < len(lines) && lines[i] != "```"; i++ {
		}
		if i == len(lines) {
			return nil, fmt.Errorf("%s:%d: a block without an end", path, begin)
		}
		block := lines[begin:i]
		where, console := strings.CutPrefix(kind, "console")
		switch {
		case console:
			p.Sessions = append(p.Sessions, Session{strings.TrimSpace(where), commands(block, begin)})
		case name != "":
			p.Files[name] = strings.Join(block, "\n") + "\n"
		case kind == "text": // output, shown and not run
		case kind == "sh":
			p.Scripts = append(p.Scripts, strings.Join(block, "\n"))
		default:
			return nil, fmt.Errorf("%s:%d: a block that is neither a file nor commands", path, begin)
		}
		name = ""
	}
	return p, nil
}

func commands(block []string, begin int) []Command {
	var list []Command
	for i, line := range block {
		if text, ok := strings.CutPrefix(line, "$ "); ok {
			list = append(list, Command{Line: begin + i + 1, Text: text})
			continue
		}
		if len(list) == 0 {
			continue
		}
		c := &list[len(list)-1]
		if m := exitCode.FindStringSubmatch(line); m != nil {
			c.Code, _ = strconv.Atoi(m[1])
			continue
		}
		c.Output += line + "\n"
	}
	return list
}

// Normalise replaces what differs from run to run: durations become SECONDS, points
// in time TIME, ids of commits COMMIT.
func Normalise(output string) string {
	output = moment.ReplaceAllString(output, "TIME")
	return commit.ReplaceAllString(duration.ReplaceAllString(output, "SECONDS"), "COMMIT")
}
