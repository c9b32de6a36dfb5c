//go:build lab

package release

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestInstall installs the packages with dpkg and with rpm, each in a root of its own, and
// uses them there: the program, its manual page, the completions of three shells.
func TestInstall(t *testing.T) {
	r := releases(t)
	for _, tool := range []struct {
		name    string
		install func(t *testing.T, root string, packages []string)
	}{{"deb", dpkg}, {"rpm", rpm}} {
		t.Run(tool.name, func(t *testing.T) {
			root := t.TempDir()
			var packages []string
			for _, name := range programs {
				packages = append(packages, r.file(name+"_"+version+"_linux_"+runtime.GOARCH+"."+tool.name))
			}
			tool.install(t, root, packages)
			for _, name := range programs {
				t.Run(name, func(t *testing.T) { use(t, r, root, name) })
			}
			if got := count(t, filepath.Join(root, "usr")); got != 6*len(programs) {
				t.Errorf("%d files are installed", got)
			}
		})
	}
}

// dpkg installs packages in a root. What the machine leaves out of packages, as small
// images of Debian do with manual pages, is put in.
func dpkg(t *testing.T, root string, packages []string) {
	for _, dir := range []string{"updates", "info"} {
		if err := os.MkdirAll(filepath.Join(root, "var", "lib", "dpkg", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"status", "available"} {
		if err := os.WriteFile(filepath.Join(root, "var", "lib", "dpkg", name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, append([]string{"dpkg", "--root", root, "--path-include", "/*", "--install"}, packages...)...)
	run(t, append([]string{"dpkg", "--root", root, "--verify"}, programs...)...)
	for _, name := range programs {
		says(t, run(t, "dpkg-query", "--admindir", filepath.Join(root, "var", "lib", "dpkg"), "--show", "--showformat", "${db:Status-Status} ${Version}", name), "installed "+version)
	}
}

// rpm installs packages in a root.
func rpm(t *testing.T, root string, packages []string) {
	run(t, "rpm", "--root", root, "--initdb")
	// On Debian rpm is not for the machine itself, and wants to hear that this is meant.
	run(t, append([]string{"rpm", "--root", root, "--force-debian", "--install"}, packages...)...)
	says(t, run(t, append([]string{"rpm", "--root", root, "--verify"}, programs...)...), "")
}

// use uses an installed program.
func use(t *testing.T, r release, root, name string) {
	bin, share := filepath.Join(root, "usr", "bin"), filepath.Join(root, "usr", "share")
	var about struct {
		Program, Version, Commit, Date, Go, Platform string
		Modified                                     bool
	}
	out := run(t, filepath.Join(bin, name), "version", "--json")
	if err := json.Unmarshal([]byte(out), &about); err != nil {
		t.Fatal(err)
	}
	if about.Program != name || about.Version != version || about.Commit != r.commit || about.Date != r.date.UTC().Format(time.RFC3339) ||
		about.Modified || about.Go != runtime.Version() || about.Platform != "linux/"+runtime.GOARCH {
		t.Errorf("it says of itself\n%s", out)
	}

	page := filepath.Join(share, "man", "man1", name+".1.gz")
	says(t, strings.TrimSpace(run(t, "man", "--manpath", filepath.Join(share, "man"), "--where", name)), page)
	if source := gunzip(t, read(t, page)); string(source) != run(t, filepath.Join(bin, name), "man") {
		t.Error("the manual page is not that of the program")
	}
	rendered := runWith(t, []string{"MANWIDTH=100", "MAN_KEEP_FORMATTING="}, "man", "--manpath", filepath.Join(share, "man"), "--pager", "cat", name)
	for _, want := range []string{name + "(1)", "NAME\n", "SYNOPSIS\n", "--help"} {
		if !strings.Contains(rendered, want) {
			t.Errorf("the manual page shows no %q:\n%.500s", want, rendered)
		}
	}

	// What each shell makes of "NAME ver" and a tabulator.
	home := t.TempDir()
	env := []string{"HOME=" + home, "ZDOTDIR=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_DIRS=" + share, "PATH=" + bin + ":/usr/bin:/bin", "NAME=" + name, "TERM=dumb", "LC_ALL=C.UTF-8"}
	says(t, runWith(t, env, "bash", "--norc", "-ec", bashTab), "version")
	if got := runWith(t, env, "fish", "--private", "-c", `complete --do-complete "$NAME ver"`); !strings.HasPrefix(got, "version\tprint the version\n") {
		t.Errorf("fish completes with %q", got)
	}
	got := runWith(t, append(env, "FOLDER="+filepath.Join(share, "zsh", "vendor-completions")), "zsh", "-f", "-c", zshTab)
	if !strings.Contains(got, "<"+name+" version >") {
		t.Errorf("zsh completes %q", got)
	}
}

// bashTab has bash-completion find the program's completion, and calls it.
const bashTab = `. /usr/share/bash-completion/bash_completion
set +e
_completion_loader "$NAME"
[ "$(complete -p "$NAME")" = "complete -o bashdefault -o default -F _${NAME}_complete $NAME" ] || { complete -p "$NAME" >&2; exit 1; }
COMP_WORDS=("$NAME" ver) COMP_CWORD=1
"_${NAME}_complete" "$NAME" ver "$NAME"
printf %s "${COMPREPLY[*]}"`

// zshTab has a zsh on a terminal of its own complete the first time it is asked, and prints
// its command line.
const zshTab = `zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PS1= PS2= RPS1=; unsetopt prompt_sp; fpath=($FOLDER $fpath); autoload -Uz compinit; compinit -u -D; show() { print -r -- "<$BUFFER>"; exit }; zle -N show; bindkey "^X" show; print rea""dy'
zpty -r -m z line '*ready*'
zpty -w -n z "$NAME ver"$'\t\x18'
zpty -r -m z line '*<*>*'
print -r -- "$line"`

func count(t *testing.T, dir string) int {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			files++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
