package stamp

import "testing"

// TestElsewhere: a command whose images are named in another file is worth a word
// where it may be why nothing is stamped, and only there.
func TestElsewhere(t *testing.T) {
	for src, want := range map[string]string{
		"ExecStart=/usr/bin/docker compose up":                                                   "warning image-elsewhere, error image-not-found",
		"ExecStartPre=/usr/bin/docker create --name x x/a\nExecStart=/usr/bin/docker start -a x": "",
		"ExecStartPre=/usr/bin/docker create --name x y/b\nExecStart=/usr/bin/docker start -a x": "warning image-elsewhere, error image-not-found",
		"ExecStartPre=/usr/bin/docker compose up\nExecStart=/usr/bin/docker run x/a:58-develop":  "",
		"ExecStart=/bin/sh -c 'cd /x && docker compose up'":                                      "warning image-elsewhere, error image-not-found",
		"ExecStart=/usr/bin/podman kube play x.yml\nExecStop=/usr/bin/docker run x/a:${T}":       "error unset-tag",
	} {
		_, o, _, err := run(t, "a.service", "[Service]\n"+src+"\n", "x/a")
		if err != nil {
			t.Fatal(err)
		}
		if got := rules(o.Findings); got != want {
			t.Errorf("%s: findings %q, want %q", src, got, want)
		}
	}
}
