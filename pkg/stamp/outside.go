package stamp

import (
	"strconv"
	"strings"

	"github.com/unitstamp/unitstamp/pkg/diag"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
)

// fromOutside warns of an image that nobody can know from the file.
func (s *stamper) fromOutside(r unitimage.Reference) {
	if s.cutByContinuation(r) {
		return
	}
	message, hint := "the image "+strconv.Quote(r.Written)+" is set outside the unit", stampFile
	switch {
	case r.Shell && positional(r.Written):
		message, hint = "the image "+strconv.Quote(r.Written)+" is an argument of the script", "write the image into the script"
	case strings.Contains(r.Written, "{{") || strings.Contains(r.Written, "$${"):
		message, hint = "the image "+strconv.Quote(r.Written)+" is a placeholder of a template", "stamp the file that the template makes"
	case r.Scripted:
		message, hint = "the image "+strconv.Quote(r.Written)+" is set by the script in a way that is not followed", "assign the image itself, once, as one word"
	case strings.Contains(r.Written, "$(") || strings.Contains(r.Written, "`"):
		message, hint = "the image "+strconv.Quote(r.Written)+" is what a command prints", "write the image out, or let a variable of the unit hold it"
	case strings.Contains(r.Written, "%") && !r.Variable:
		message, hint = "the image "+strconv.Quote(r.Written)+" depends on more than the unit's file name", ""
	case !r.Variable:
		message, hint = strconv.Quote(r.Written)+" stands where the image belongs, and is none", "check the options before it: the first word that is no option is the image"
	}
	if file := s.stampedAlong(); file != "" && hint == stampFile {
		hint = file + ", which is stamped along, is read by EnvironmentFile=: see that it sets the image"
	}
	s.finding(r.Span, diag.Warning, "image-from-outside", message, hint)
}

// stampedAlong returns the env file that the unit reads and that is stamped in the
// same run, if there is one. On the machine that runs the unit it has another path.
func (s *stamper) stampedAlong() string {
	for _, given := range s.request.EnvFiles {
		for _, read := range s.unit.Found.EnvironmentFiles {
			if base(given) == base(read) {
				return given
			}
		}
	}
	return ""
}

func base(path string) string {
	path = strings.ReplaceAll(path, "\\", "/")
	return path[strings.LastIndexByte(path, '/')+1:]
}

// positional reports whether a word of a script is one of its arguments, such as
// $1, "$$1" or ${1}.
func positional(word string) bool {
	name := strings.Trim(word, `"${}`)
	return strings.Contains(word, "$") && len(name) == 1 && ('0' <= name[0] && name[0] <= '9' || name[0] == '@' || name[0] == '*')
}
