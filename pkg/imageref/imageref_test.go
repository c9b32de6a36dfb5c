package imageref

import (
	"strings"
	"testing"

	"github.com/distribution/reference"
)

const sha = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func TestParse(t *testing.T) {
	for _, tt := range []struct{ text, name, tag, digest, repository, familiar string }{
		{"redis", "redis", "", "", "docker.io/library/redis", "redis"},
		{"library/redis:7", "library/redis", "7", "", "docker.io/library/redis", "redis"},
		{"docker.io/myrepo/x", "docker.io/myrepo/x", "", "", "docker.io/myrepo/x", "myrepo/x"},
		{"index.docker.io/myrepo/x:1", "index.docker.io/myrepo/x", "1", "", "docker.io/myrepo/x", "myrepo/x"},
		{"registry:5000/x", "registry:5000/x", "", "", "registry:5000/x", "registry:5000/x"},
		{"registry:5000", "registry", "5000", "", "docker.io/library/registry", "registry"},
		{"localhost/x:58-develop", "localhost/x", "58-develop", "", "localhost/x", "localhost/x"},
		{"Repo/x", "Repo/x", "", "", "Repo/x", "Repo/x"},
		{"a.b:1/c/d:e@" + sha, "a.b:1/c/d", "e", sha, "a.b:1/c/d", "a.b:1/c/d"},
		{"x@" + sha, "x", "", sha, "docker.io/library/x", "x"},
		{"docker://quay.io/x:1", "quay.io/x", "1", "", "quay.io/x", "quay.io/x"},
		{"a/b:" + strings.Repeat("t", 128), "a/b", strings.Repeat("t", 128), "", "docker.io/a/b", "a/b"},
	} {
		r, err := Parse(tt.text)
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.text, err)
			continue
		}
		if r.NameText() != tt.name || r.TagText() != tt.tag || r.DigestText() != tt.digest || r.Repository != tt.repository {
			t.Errorf("Parse(%q) = %q %q %q %q", tt.text, r.NameText(), r.TagText(), r.DigestText(), r.Repository)
		}
		if r.HasTag() != (tt.tag != "") || r.HasDigest() != (tt.digest != "") {
			t.Errorf("Parse(%q): HasTag %v, HasDigest %v", tt.text, r.HasTag(), r.HasDigest())
		}
		if got := Familiar(r.Repository); got != tt.familiar {
			t.Errorf("Familiar(%q) = %q, want %q", r.Repository, got, tt.familiar)
		}
	}
	for _, text := range []string{
		"", "-", "My", "a//b", "x:", "x@", "x@sha256:12", "x:a b", "x:-a", "a___b/c", "x:" + strings.Repeat("t", 129),
		strings.Repeat("0a", 32), "${IMG}", "{{.Image}}", "http://a/b", "x:1:2", "oci-archive:/tmp/x",
	} {
		if r, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) = %+v, want an error", text, r)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, tt := range []struct{ text, name, tag, digest string }{
		{"myrepo/x:${TAG}", "myrepo/x", "${TAG}", ""},
		{"${IMG}", "${IMG}", "", ""},
		{"${REG:-a/b:1}/x:${TAG:-2}", "${REG:-a/b:1}/x", "${TAG:-2}", ""},
		{"$REG/x:$TAG", "$REG/x", "$TAG", ""},
		{"%p:%i", "%p", "%i", ""},
		{"{{ .Repo }}/x:{{ .Tag }}", "{{ .Repo }}/x", "{{ .Tag }}", ""},
		{"x:", "x", "", ""},
	} {
		r := Split(tt.text)
		if r.NameText() != tt.name || r.TagText() != tt.tag || r.DigestText() != tt.digest {
			t.Errorf("Split(%q) = %q %q %q", tt.text, r.NameText(), r.TagText(), r.DigestText())
		}
	}
}

func TestValidDigest(t *testing.T) {
	if err := ValidDigest(sha); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "sha256:", "sha256:12", "md5:d41d8cd98f00b204e9800998ecf8427e", sha + "0"} {
		if ValidDigest(bad) == nil {
			t.Errorf("ValidDigest(%q) says yes", bad)
		}
	}
}

// FuzzParse compares with distribution/reference, which knows the parts but not
// where they stand.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"redis", "a.b:1/c/d:e@" + sha, "registry:5000", "x:", "Repo/x:1", "docker://a/b", "${A}:{b}", "a@b:c/d", "a-b.c:5000/d_e/f:g", "a:b/c", "[::1]:5000/a", "a.b:/c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		split := Split(text)
		if s := split.Suffix(); text[:s.Start]+text[s.Start:s.End] != text {
			t.Fatalf("Split(%q) = %+v", text, split)
		}
		r, err := Parse(text)
		if err != nil {
			if _, libraryErr := reference.ParseNormalizedNamed(text[split.Name.Start:]); libraryErr == nil {
				t.Fatalf("Parse(%q): %v, the library takes it", text, err)
			}
			return
		}
		theirs, err := reference.ParseNormalizedNamed(text[r.Name.Start:])
		if err != nil {
			t.Fatal(err)
		}
		tag, digest := "", ""
		if tagged, ok := theirs.(reference.Tagged); ok {
			tag = tagged.Tag()
		}
		if digested, ok := theirs.(reference.Digested); ok {
			digest = digested.Digest().String()
		}
		if r.Repository != theirs.Name() {
			t.Fatalf("Parse(%q): repository %q, theirs %q", text, r.Repository, theirs.Name())
		}
		if r.TagText() != tag || r.DigestText() != digest {
			t.Fatalf("Parse(%q): tag %q digest %q, theirs %q %q", text, r.TagText(), r.DigestText(), tag, digest)
		}
		if tag != "" && !ValidTag(tag) {
			t.Fatalf("ValidTag(%q) says no", tag)
		}
		stamped, err := Parse(text[:r.Suffix().Start] + FormatSuffix("58-develop", ""))
		if err != nil || stamped.Repository != r.Repository || stamped.TagText() != "58-develop" {
			t.Fatalf("%q stamped: %+v, %v", text, stamped, err)
		}
	})
}
