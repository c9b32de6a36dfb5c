//go:build lab

package lab

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/lab/node"
	"github.com/unitstamp/unitstamp/pkg/envfile"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitimage"
)

// envFiles are files that a reader of KEY=value lines may read wrongly.
var envFiles = []string{
	"A=b\n", "A=b", "export A=b\nB=c\n", " export  A = b \nexport=x\n", "A=x # c\nB=y ; d\n", "A=x\t# c \nB=#x\n", "A=\"x\" # c\n", "A='x' 'y'\n",
	"A=x'y'\nB=x\"y\"\n", "A=\"x\"y\nB='x'y'z'\n", "A=x \\\n  y\n", "A=x\\\n\\\ny\n", "A=x\\ny\nB=\\x41\n", "A=\"a\\tb\\$c\\`d\\\"e\\\\f\\'g\"\n", "A='a\\'b'\n",
	"A=\"two\nlines\"\nB=c\n", "A='two\nlines'\n", "A=\"open\nB=c\n", "A='open\nB=c\n", "A=b\r\nB=c\r\n", "A=b\rB=c\r", "A=\"b\r\nc\"\r\n", "A=b\\\r\nc\r\n",
	"\ufeffA=b\nB=c\n", "1A=b\nA.B=c\nA-B=d\nÄ=e\nF=g\n", "A B=c\nD=e\n", "=b\nA=c\n", "A\nB=c\n", "A==b\nB=c=d\n", "A= \nB=\"\"\nC=''\n", "A=b\nA=c\n",
	"A=$B\nB=${C}\nC=%p %%\n", "#A=b\n;B=c\n  # D=e\n  ;F=g\nH=i\n", "A=b#c\nB=c;d\n", "A=b;\n", "[Service]\nA=b\n", "A = \"b c\" \nB\t=\tc d \n", "A=b\\", "A=\\", "A=\"b\\", "A=b  \\  \nB=c\n",
	"A=é\nB=\"→\"\n", "PATH=/x\nHOME=/y\nI=z\n", "A='b'#c\nB=\"b\"#c\n", "A=b'c d'e\nF=g\n", "A=\"b\\\nc\"\n", "A=b\n\n\n B=c\n", "_=x\n_A=y\na=z\n", "A=b\\#c\n", "A=x\\ \nB=y\n",
	"A=b\x00\nB=c\n", "A=b\n#\x00\n", "A=\xff\n", "\xff=b\n", "# \xff\nA=b\n", "A=b\n\xff\n", "A=\ufeffb\n", "A=b\x01c\n", "A=\x7f\n",
}

// randomEnvFile puts pieces together that the reader's states care about.
func randomEnvFile(random *rand.Rand) string {
	pieces := []string{"A=", "B =", " C=", "export D=", "x", " ", "\t", "\n", "\n", "\r\n", "'", "\"", "\\", "\\\n", "#", ";", "=", "y z", "$", "`", "é", "\nE=", "\nF=\"", "\nG='"}
	var b strings.Builder
	for range 2 + random.IntN(14) {
		b.WriteString(pieces[random.IntN(len(pieces))])
	}
	return b.String()
}

const envUnit = `[Service]
Type=oneshot
Environment=MARK=1
EnvironmentFile=/run/e/%i.env
ExecStart=/usr/bin/env -0
StandardOutput=file:/run/e/%i.out
`

// TestOracleEnvFile holds what we read in a file of KEY=value lines against the
// environment that a real systemd gives a service for it.
func TestOracleEnvFile(t *testing.T) {
	n := node.Boot(t)
	random := rand.New(rand.NewPCG(*oracleSeed, 3))
	files := slices.Clone(envFiles)
	for range 250 {
		files = append(files, randomEnvFile(random))
	}
	var script strings.Builder
	script.WriteString("mkdir -p /run/e\n")
	units := []string{"start"}
	for i, text := range files {
		fmt.Fprintf(&script, "base64 -d > /run/e/%d.env <<< '%s'\n", i, base64.StdEncoding.EncodeToString([]byte(text)))
		units = append(units, fmt.Sprintf("e@%d.service", i))
	}
	script.WriteString("touch /run/e/{0.." + fmt.Sprint(len(files)-1) + "}.out\n") // some services fail on purpose
	n.Write("/run/write", script.String(), 0o755)
	n.Must("bash", "/run/write")
	n.Write("/run/systemd/system/e@.service", envUnit, 0o644)
	n.Must("systemctl", "daemon-reload")
	for part := range slices.Chunk(units[1:], 50) {
		n.Run(t.Context(), append([]string{"systemctl", "start"}, part...)...)
	}
	for i, text := range files {
		given := map[string]string{}
		for entry := range strings.SplitSeq(n.Read(fmt.Sprintf("/run/e/%d.out", i)), "\x00") {
			if name, value, found := strings.Cut(entry, "="); found {
				given[name] = value
			}
		}
		refused := unitimage.FindEnvFile(&source.File{Name: "a.env", Bytes: []byte(text)}).Refusal
		if started := given["MARK"] == "1"; started != (refused == nil) {
			t.Errorf("%q: the service was started: %v, and we say %+v", text, started, refused)
		}
		if refused != nil {
			continue
		}
		ours := map[string]string{}
		for _, v := range envfile.Parse([]byte(text)) {
			if !v.Ignored() {
				ours[v.Key] = v.Value
			}
		}
		own := []string{"MARK", "INVOCATION_ID", "LANG", "PATH", "SYSTEMD_EXEC_PID", "HOME", "SHELL", "USER", "LOGNAME", "JOURNAL_STREAM", "LC_ALL"}
		for _, name := range own {
			if _, mentioned := ours[name]; !mentioned {
				delete(given, name)
			}
		}
		if !maps.Equal(ours, given) {
			t.Errorf("%q: we read %q, systemd %q", text, ours, given)
		}
	}
}
