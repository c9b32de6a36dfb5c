package confrepo

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
)

// report is git-receive-pack's answer to an update (gitprotocol-pack, "Report
// Status").
type report struct {
	unpack string // "ok" or the reason why the pack was not taken
	ref    string // "ok" or the reason why the first reference was not updated
	// others are the reasons for further references that were not updated.
	others []string
}

// verdict is what a report, or the lack of one, means for the update.
type verdict int

const (
	// landed: the server said that it updated the reference.
	landed verdict = iota
	// unclear: no complete word from the server; only the tip can tell.
	unclear
	// notTaken: the reference was not updated, perhaps because another writer
	// was faster or holds a lock; the tip tells which.
	notTaken
	// refused: a hook or a rule of the server says no, now and later.
	refused
	// brokenPack: the objects were not understood; whole objects may help.
	brokenPack
)

// permanent lists, in lower case, what the reasons of lasting refusals hold.
// Anything else is taken for a lost race or a lock: the wordings of those
// differ from server to server ("failed to update ref", "cannot lock ref",
// "incorrect old value provided", "fetch first", "reference already exists"),
// and the tip answers the question better than any of them.
var permanent = []string{
	"hook declined", "protected", "rule violation", "tf40", "denied", "prohibited", "not allowed", "not permitted",
	"currently checked out", "funny refname", "deny updating a hidden ref", "quota", "read-only", "read only", "unauthorized",
	"branch is locked", "push declined",
}

// missingRef is a lasting refusal of a branch; with a reference that is to be
// deleted it means that another writer was faster.
const missingRef = "no such ref"

// judge is the table of what a push may bring back.
func judge(r report, said []string) verdict {
	reason := strings.ToLower(r.ref)
	for _, line := range said {
		if r.ref != "ok" && strings.Contains(line, "exists; cannot create") {
			return refused // a branch a/b beside a branch a
		}
	}
	switch {
	case r.unpack == "ok" && r.ref == "ok":
		return landed
	case r.unpack == "" || r.unpack == "ok" && r.ref == "":
		return unclear
	case containsAny(reason, permanent...), strings.Contains(reason, missingRef):
		return refused
	case containsAny(strings.ToLower(strings.Join(r.others, "\n")), permanent...):
		return refused
	case r.unpack != "ok":
		return brokenPack
	}
	return notTaken
}

func containsAny(s string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

// readReport reads the answer to its end, since hooks may still write after
// the report and are killed when the reader goes away too early. Lines for
// people are handed to say. What was understood before an error is returned
// with the error: an "ok" that was read stays an "ok". ref is the reference
// that the update was about in the first place.
func readReport(in *bufio.Reader, ref string, say func(string)) (report, error) {
	var r report
	lines := &lineWriter{say: say}
	defer lines.flush()
	var source io.Reader = in
	if head, err := in.Peek(5); err != nil && len(head) < 5 {
		return r, noUnexpected(err)
	} else if head[4] >= 1 && head[4] <= 3 {
		demux := sideband.NewDemuxer(sideband.Sideband64k, in)
		demux.Progress = lines
		source = &untilEOF{r: demux}
	}
	body := bufio.NewReader(source)
	var first error
	for {
		kind, line, err := readPkt(body)
		if err != nil {
			first = noUnexpected(err)
			break
		}
		if kind == pktFlush {
			break
		}
		text := strings.TrimSuffix(string(line), "\n")
		if reason, ok := strings.CutPrefix(text, "unpack "); ok {
			r.unpack = oneLine(reason)
		} else if text == "ok "+ref {
			r.ref = "ok"
		} else if reason, ok := strings.CutPrefix(text, "ng "+ref+" "); ok {
			r.ref = oneLine(reason)
		} else if named, ok := strings.CutPrefix(text, "ng "); ok {
			_, reason, _ := strings.Cut(named, " ")
			r.others = append(r.others, oneLine(reason))
		}
	}
	if _, err := io.Copy(io.Discard, body); err != nil && first == nil {
		first = err
	}
	if first == nil && (r.unpack == "" || r.ref == "") {
		first = errors.New("the server's report does not name the branch")
	}
	return r, first
}

// lineWriter cuts the server's side band into lines fit for a terminal.
type lineWriter struct {
	say  func(string)
	rest string
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.rest += string(b)
	for {
		end := strings.IndexAny(w.rest, "\n\r")
		if end < 0 {
			if len(w.rest) > 8192 {
				w.flush()
			}
			return len(b), nil
		}
		w.emit(w.rest[:end])
		w.rest = w.rest[end+1:]
	}
}

func (w *lineWriter) flush() {
	w.emit(w.rest)
	w.rest = ""
}

func (w *lineWriter) emit(line string) {
	if line = oneLine(line); line != "" && w.say != nil {
		w.say(line)
	}
}
