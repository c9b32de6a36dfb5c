package unitimage

import (
	"path"
	"regexp"
	"slices"
)

// clientCall finds a container client's command inside one word: a script that is
// handed on in a way that is not followed.
var clientCall = regexp.MustCompile(`\b(docker|podman|nerdctl)\s+([^;&|]*\s)?(run|create|pull)\s`)

// talkers are programs whose words are data.
var talkers = []string{"echo", "printf", "logger", "grep", "egrep", "fgrep", "systemd-cat", "test", "[", "docker", "podman", "nerdctl"}

// unread notes a call of a container client among the words of a program that is
// not followed, such as ssh or parallel.
func (f *finder) unread(args []argument) {
	program := path.Base(args[0].text.s)
	if slices.Contains(talkers, program) {
		return
	}
	client := false
	for _, a := range args[1:] {
		switch word := a.text.s; {
		case !client && !containsAny(word, clientNames...):
			continue
		case slices.Contains([]string{"docker", "podman", "nerdctl"}, path.Base(word)):
			client = true
			continue
		case client && slices.Contains([]string{"run", "create", "pull"}, word), clientCall.MatchString(word + " "):
		default:
			continue
		}
		f.doubt(args, 0, "", "unread-command", "the container command behind "+program+" is not read", "call the container client directly, or through sh -c")
		f.found.Doubts[len(f.found.Doubts)-1].Quiet = true
		f.found.Doubts[len(f.found.Doubts)-1].words = wordsOf(args)
		return
	}
}

// wordsOf are the words of arguments, those inside scripts too.
func wordsOf(args []argument) []string {
	var words []string
	for _, a := range args {
		words = append(words, blanks.Split(a.text.s, -1)...)
	}
	return words
}

var blanks = regexp.MustCompile(`[\s"';]+`)
