package stamp

import (
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// TestVerify hands over results as a fault of ours would make them.
func TestVerify(t *testing.T) {
	const before = "[Service]\n# a\nEnvironment=A=b\nExecStart=/usr/bin/docker run --name a \\\n  repo/a\nRestart=always\n"
	target, err := Repositories([]string{"repo/a"})
	if err != nil {
		t.Fatal(err)
	}
	stamped := strings.Replace(before, "  repo/a", "  repo/a:58-develop", 1)
	for _, tt := range []struct{ name, after, want string }{
		{"as it should be", stamped, ""},
		{"not stamped", before, "only 0 of 1 stamped references are found again"},
		{"another tag", strings.Replace(stamped, "58", "57", 1), "only 0 of 1"},
		{"another setting changed", strings.Replace(stamped, "A=b", "A=c", 1), "2 settings changed for 1 reference"},
		{"another setting gone", strings.Replace(stamped, "Restart=always\n", "", 1), "has 2 settings, and had 3"},
		{"another setting renamed", strings.Replace(stamped, "Restart=", "Restarts=", 1), "setting Restart of [Service] became Restarts of [Service]"},
		{"moved to another section", strings.Replace(stamped, "Restart=", "[Unit]\nRestart=", 1), "became Restart of [Unit]"},
		{"refused by systemd", stamped + "x\n[\n", "cannot be read"},
	} {
		err := Verify(Written{
			Before: &source.File{Name: "a.service", Bytes: []byte(before)}, After: []byte(tt.after),
			Name: unitname.FromPath("a.service"), References: 1,
		}, Request{Tag: "58-develop", Target: target})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}
