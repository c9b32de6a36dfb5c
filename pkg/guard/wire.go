package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/unitstamp/unitstamp/pkg/buildtag"
)

// Bounds of a request that is left for other jobs.
const (
	// MaxWire is the longest form, in bytes.
	MaxWire      = 1 << 20
	maxWireFiles = 1000
	maxWireText  = 1024 // of a branch, source or URL
)

// wireVersion is raised when an older reader would misunderstand a newer form.
const wireVersion = 1

// The form in which a request waits for another job to carry it out. A reader
// refuses what it does not know.
type wireRequest struct {
	Version int        `json:"version"`
	Files   []wireFile `json:"files"`
	Build   *wireBuild `json:"build,omitempty"`
	Message string     `json:"message,omitempty"`
	Allow   []string   `json:"allow,omitempty"`
}

type wireFile struct {
	Path    string `json:"path"`
	Content []byte `json:"content,omitempty"`
	Remove  bool   `json:"remove,omitempty"`
}

type wireBuild struct {
	Tag    string `json:"tag,omitempty"`
	Branch string `json:"branch,omitempty"`
	Source string `json:"source,omitempty"`
	URL    string `json:"url,omitempty"`
}

// permissions are the words of a request's "allow" and what they set.
var permissions = []struct {
	word string
	of   func(*Request) *bool
}{
	{"downgrade", func(r *Request) *bool { return &r.AllowDowngrade }},
	{"branch-change", func(r *Request) *bool { return &r.AllowBranchChange }},
	{"rewrite", func(r *Request) *bool { return &r.AllowRewrite }},
}

// WriteRequest gives the form in which a request (but for its ID) waits for
// another job. It fails for what [ReadRequest] would refuse.
func WriteRequest(r Request) ([]byte, error) {
	w := wireRequest{Version: wireVersion, Message: r.Template}
	for _, f := range r.Files {
		w.Files = append(w.Files, wireFile{f.Path, f.Content, f.Remove})
	}
	if b := (wireBuild{r.Build.Tag.String(), r.Build.Branch, r.Build.Source, r.Build.URL}); b != (wireBuild{}) {
		w.Build = &b
	}
	for _, p := range permissions {
		if *p.of(&r) {
			w.Allow = append(w.Allow, p.word)
		}
	}
	text, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	_, err = ReadRequest(text)
	return text, err
}

// ReadRequest reads what anybody may have written. It is as strict as a command
// line, except that whether a path may stand in a repository is left to the
// room that writes it.
func ReadRequest(text []byte) (Request, error) {
	if len(text) > MaxWire {
		return Request{}, fmt.Errorf("the request is longer than %d bytes", MaxWire)
	}
	var w wireRequest
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		return Request{}, fmt.Errorf("the request cannot be read: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Request{}, errors.New("something follows the request")
	}
	if w.Version != wireVersion {
		return Request{}, fmt.Errorf("the request is of version %d, known is %d", w.Version, wireVersion)
	}
	r := Request{Template: w.Message}
	var err error
	if r.Files, err = readWireFiles(w.Files); err != nil {
		return Request{}, err
	}
	if r.Build, err = readWireBuild(w.Build); err != nil {
		return Request{}, err
	}
	if r.Template != "" {
		if !isText(r.Template, "\n\t") {
			return Request{}, errors.New("the message template holds a control character")
		}
		if err := CheckTemplate(r.Template); err != nil {
			return Request{}, err
		}
	}
	for _, word := range w.Allow {
		at := slices.IndexFunc(permissions, func(p struct {
			word string
			of   func(*Request) *bool
		}) bool {
			return p.word == word
		})
		if at < 0 {
			return Request{}, fmt.Errorf("the request asks to be allowed %q, which is not known", word)
		}
		*permissions[at].of(&r) = true
	}
	return r, nil
}

func readWireFiles(files []wireFile) ([]File, error) {
	if len(files) == 0 || len(files) > maxWireFiles {
		return nil, fmt.Errorf("the request names %d files, allowed are 1 to %d", len(files), maxWireFiles)
	}
	var all []File
	seen := map[string]bool{}
	for _, f := range files {
		switch {
		case !isText(f.Path, "") || path.Clean("/"+f.Path) != "/"+f.Path || f.Path == "":
			return nil, fmt.Errorf("%q is no path", f.Path)
		case seen[f.Path]:
			return nil, fmt.Errorf("%q is named twice", f.Path)
		case f.Remove && len(f.Content) > 0:
			return nil, fmt.Errorf("%q is both written and removed", f.Path)
		}
		seen[f.Path] = true
		file := File{Path: f.Path, Remove: f.Remove}
		if !f.Remove {
			file.Content = append([]byte{}, f.Content...)
		}
		all = append(all, file)
	}
	return all, nil
}

// validTag is docker's rule for tags.
var validTag = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

func readWireBuild(w *wireBuild) (Build, error) {
	if w == nil {
		return Build{}, nil
	}
	if w.Tag != "" && !validTag.MatchString(w.Tag) {
		return Build{}, fmt.Errorf("%q is no tag", w.Tag)
	}
	for _, text := range []string{w.Branch, w.Source, w.URL} {
		if len(text) > maxWireText || !isText(text, "") {
			return Build{}, errors.New("the request's build is described in more than plain text")
		}
	}
	b := Build{Branch: w.Branch, Source: w.Source, URL: w.URL}
	if w.Tag != "" {
		b.Tag = buildtag.Parse(w.Tag)
	}
	return b, nil
}

// isText reports whether s is valid UTF-8 without control characters other than
// those allowed.
func isText(s, allowed string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && !strings.ContainsRune(allowed, r)
	}) < 0
}

// change is what a commit says of a file, for the job that asked for it.
func (f FileOutcome) change() string {
	old := f.Old
	if old == "" {
		old = "-"
	}
	return string(f.Action) + " " + old + " " + quotePath(f.Path)
}

// RequestOf returns the ID of the request that a commit was made for, or "".
func RequestOf(message string) string {
	for _, t := range trailersOf(message) {
		if t.key == trailerRequest {
			return t.value
		}
	}
	return ""
}

// Carried is the outcome of a request that another job carried out, as the
// commit with that message tells it. The contents before are not known.
func Carried(r Request, message string) Outcome {
	out := Outcome{Message: message}
	for _, f := range r.Files {
		o := FileOutcome{Path: f.Path, Action: Unchanged}
		if !f.Remove {
			o.After = f.Content
			u := readUnit(f.Path, f.Content)
			o.New = u.shown(r.Build.Tag)
			o.Old = o.New
		}
		for _, t := range trailersOf(message) {
			if action, old, path, ok := parseChange(t); ok && path == plain(quotePath(f.Path)) {
				o.Action, o.Old = action, old
			}
		}
		out.Files = append(out.Files, o)
	}
	return out
}

// parseChange reads what [FileOutcome.change] writes; the path stays quoted.
func parseChange(t trailer) (action Action, old, path string, ok bool) {
	parts := strings.SplitN(t.value, " ", 3)
	if t.key != trailerChange || len(parts) != 3 {
		return "", "", "", false
	}
	action, old, path = Action(parts[0]), parts[1], parts[2]
	if old == "-" {
		old = ""
	}
	return action, old, path, slices.Contains([]Action{Created, Updated, Removed}, action)
}
