package unitimage

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/unitstamp/unitstamp/pkg/containerrun"
)

// The rules of doubts about commands that have no image to stamp.
const (
	RuleRkt    = "rkt"
	RuleRootfs = "rootfs"
)

// describeIssue says in words what is the matter with a command line.
func describeIssue(issue *containerrun.Issue, word string) (rule, message, hint string) {
	option := strconv.Quote(issue.Text)
	switch issue.Kind {
	case containerrun.UnknownOption:
		return "unknown-option", "unknown option " + option + ": which word is the image cannot be told",
			"check the spelling; only options that a version of the client has can be read"
	case containerrun.LegacyOption:
		hint = "write -" + issue.Text
		if len(issue.Text) == 2 {
			hint = "leave it out; docker 1.12 and later have no such option"
		}
		return "legacy-option", "the option " + option + " has two meanings: docker before 1.12 reads a long option, docker of today single letters", hint
	case containerrun.TypographicDash:
		r, _ := utf8.DecodeRuneInString(issue.Text)
		meant := "-" + strings.TrimLeft(strings.Replace(word, issue.Text, "", 1), "-")
		if len(meant) > 2 {
			meant = "-" + meant
		}
		return "typographic-dash", fmt.Sprintf("%q begins with the dash U+%04X, which no program reads as an option", word, r), "write " + meant
	case containerrun.Rootfs:
		return RuleRootfs, "podman " + option + " runs a folder, there is no image", ""
	case containerrun.Rkt:
		return RuleRkt, "the images of rkt are not read", "move the unit to podman or docker"
	case containerrun.NoOperand:
		return "no-operand", "the command ends after " + option + ", before the image", "add the image; a blank after a '\\' at a line's end, or a line that begins with '#' or ';', may have cut the command"
	case containerrun.UnknownVerb:
		return "unknown-command", "the command " + option + " is a variable whose value is not known", "write the command out"
	case containerrun.SplitString:
		return "split-string", "env " + option + " makes words of its own, which are not read", "write the words without " + issue.Text
	}
	return "command", "the command cannot be read at " + option, ""
}
