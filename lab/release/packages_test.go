//go:build lab

package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"debug/macho"
	"fmt"
	"io"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// An entry is a file of an archive or a package.
type entry struct {
	mode         int64 // the permissions
	owner, group string
	date         time.Time
	sum          string // SHA-256 of what is in it; empty for a folder
}

// TestPublished looks at the list of what a release publishes, and at its checksums.
func TestPublished(t *testing.T) {
	r := releases(t)
	var want []string
	for _, arch := range arches {
		want = append(want, "unitstamp_"+version+"_linux_"+arch+".tar.gz", "unitstamp_"+version+"_darwin_"+arch+".tar.gz")
		for _, name := range programs {
			for _, format := range []string{"deb", "rpm", "apk"} {
				want = append(want, name+"_"+version+"_linux_"+arch+"."+format)
			}
		}
	}
	var got []string
	for line := range strings.Lines(string(read(t, r.file("checksums.txt")))) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		got = append(got, name)
		if sum != digest(read(t, r.file(name))) {
			t.Errorf("%s has another sum than checksums.txt has", name)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("published are %q\nwant %q", got, want)
	}
}

// TestBinaries looks at the programs themselves: those for Linux need nothing of where they
// run, no loader and no library.
func TestBinaries(t *testing.T) {
	r := releases(t)
	for _, name := range programs {
		for _, arch := range arches {
			f, err := elf.Open(r.binary(name, arch))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]; f.Machine != want || f.Type != elf.ET_EXEC {
				t.Errorf("%s for %s is of type %s, for %s", name, arch, f.Type, f.Machine)
			}
			for _, p := range f.Progs {
				if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
					t.Errorf("%s for %s is not static: it has %s", name, arch, p.Type)
				}
			}
			if f.Section(".symtab") != nil || f.Section(".debug_info") != nil {
				t.Errorf("%s for %s is not stripped", name, arch)
			}
		}
	}
}

// TestArchives lists the archives, file for file.
func TestArchives(t *testing.T) {
	r := releases(t)
	for _, arch := range arches {
		for _, system := range []string{"linux", "darwin"} {
			name := "unitstamp_" + version + "_" + system + "_" + arch + ".tar.gz"
			t.Run(name, func(t *testing.T) {
				want := map[string]entry{}
				for _, file := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
					want[file] = r.plain(t, 0o644, file)
				}
				for _, program := range programs {
					for to, from := range map[string]string{
						"man/%s.1.gz":              "man/%s.1.gz",
						"completions/bash/%s":      "bash/%s",
						"completions/zsh/_%s":      "zsh/_%s",
						"completions/fish/%s.fish": "fish/%s.fish",
					} {
						want[fmt.Sprintf(to, program)] = r.plain(t, 0o644, filepath.Join(".release", "out", fmt.Sprintf(from, program)))
					}
				}
				holds := []string{"unitstamp", "confpush"}
				if system == "linux" {
					holds = programs
				}
				got, content := unpack(t, gunzip(t, read(t, r.file(name))))
				for _, program := range holds {
					want[program] = entry{0o755, "root", "root", r.date, digest(content[program])}
					if system == "linux" && !bytes.Equal(content[program], read(t, r.binary(program, arch))) {
						t.Errorf("%s is not what was built", program)
					}
					if system == "darwin" {
						f, err := macho.NewFile(bytes.NewReader(content[program]))
						if err != nil || f.Cpu != map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64}[arch] {
							t.Errorf("%s: %v: %+v", program, err, f)
						}
					}
				}
				compare(t, got, want)
			})
		}
	}
}

// TestPackages lists the packages, file for file, as each format's own reader has them, and
// reads what they say of themselves.
func TestPackages(t *testing.T) {
	r := releases(t)
	for _, name := range programs {
		for _, arch := range arches {
			want := map[string]entry{
				"usr/bin/" + name:                                       {0o755, "root", "root", r.date, digest(read(t, r.binary(name, arch)))},
				"usr/share/man/man1/" + name + ".1.gz":                  r.plain(t, 0o644, filepath.Join(".release", "out", "man", name+".1.gz")),
				"usr/share/bash-completion/completions/" + name:         r.plain(t, 0o644, filepath.Join(".release", "out", "bash", name)),
				"usr/share/zsh/vendor-completions/_" + name:             r.plain(t, 0o644, filepath.Join(".release", "out", "zsh", "_"+name)),
				"usr/share/fish/vendor_completions.d/" + name + ".fish": r.plain(t, 0o644, filepath.Join(".release", "out", "fish", name+".fish")),
				"usr/share/doc/" + name + "/copyright":                  r.plain(t, 0o644, "LICENSE"),
			}
			base := r.file(name + "_" + version + "_linux_" + arch)
			t.Run(filepath.Base(base)+".deb", func(t *testing.T) {
				files, _ := unpack(t, []byte(run(t, "dpkg-deb", "--fsys-tarfile", base+".deb")))
				compare(t, files, withFolders(want, r.date))
				control, _ := unpack(t, []byte(run(t, "dpkg-deb", "--ctrl-tarfile", base+".deb")))
				if got := slices.Sorted(maps.Keys(control)); !slices.Equal(got, []string{"control", "md5sums"}) {
					t.Errorf("beside the files there is %q", got)
				}
				says(t, run(t, "dpkg-deb", "--show", "--showformat", "${Package} ${Version} ${Architecture} [${Depends}] ${License}", base+".deb"),
					name+" "+version+" "+arch+" [] Apache-2.0")
			})
			t.Run(filepath.Base(base)+".rpm", func(t *testing.T) {
				compare(t, rpmFiles(t, base+".rpm"), want)
				says(t, run(t, "rpm", "-qp", "--qf", "%{NAME} %{VERSION} %{ARCH} %{LICENSE} %{BUILDHOST} %{BUILDTIME}", base+".rpm"),
					fmt.Sprintf("%s %s %s Apache-2.0 localhost %d", name, version, kernel[arch], r.date.Unix()))
				for requirement := range strings.Lines(run(t, "rpm", "-qp", "--requires", base+".rpm")) {
					if !strings.HasPrefix(requirement, "rpmlib(") { // what rpm itself has to know
						t.Errorf("it needs %s", requirement)
					}
				}
			})
			t.Run(filepath.Base(base)+".apk", func(t *testing.T) {
				data := read(t, base+".apk")
				files, content := unpack(t, gunzip(t, data))
				about := string(content[".PKGINFO"])
				delete(files, ".PKGINFO")
				compare(t, files, withFolders(want, r.date))
				for _, line := range []string{"pkgname = " + name, "pkgver = " + version, "arch = " + kernel[arch], "license = Apache-2.0", "datahash = " + digest(secondMember(t, data))} {
					if !strings.Contains("\n"+about, "\n"+line+"\n") {
						t.Errorf("it does not say %q:\n%s", line, about)
					}
				}
				if strings.Contains(about, "depend") || strings.Contains(about, "builddate") {
					t.Errorf("it says\n%s", about)
				}
			})
		}
	}
}

// kernel is what rpm and apk call the architectures.
var kernel = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

// plain is the entry of a file of the release's source.
func (r release) plain(t *testing.T, mode int64, path string) entry {
	t.Helper()
	data := read(t, filepath.Join(r.first, path))
	if len(data) == 0 {
		t.Errorf("%s is empty", path)
	}
	return entry{mode, "root", "root", r.date, digest(data)}
}

// withFolders adds the folders of files.
func withFolders(files map[string]entry, date time.Time) map[string]entry {
	all := maps.Clone(files)
	for name := range files {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			all[dir] = entry{0o755, "root", "root", date, ""}
		}
	}
	return all
}

func compare(t *testing.T, got, want map[string]entry) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		g, ok := got[name]
		if w := want[name]; !ok {
			t.Errorf("%s is missing", name)
		} else if g.mode != w.mode || g.owner != w.owner || g.group != w.group || !g.date.Equal(w.date) || g.sum != w.sum {
			t.Errorf("%s is\n%+v, want\n%+v", name, g, w)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is too much", name)
		}
	}
}

func says(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}

// unpack reads a tar archive that holds files and folders only.
func unpack(t *testing.T, archive []byte) (map[string]entry, map[string][]byte) {
	t.Helper()
	entries, content := map[string]entry{}, map[string][]byte{}
	reader := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := reader.Next()
		if err == io.EOF {
			return entries, content
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		name := path.Clean(h.Name)
		if h.Uid != 0 || h.Gid != 0 || path.IsAbs(name) || h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
			t.Errorf("%s is of type %q, user %d, group %d", h.Name, h.Typeflag, h.Uid, h.Gid)
		}
		e := entry{h.Mode, h.Uname, h.Gname, h.ModTime, ""}
		if h.Typeflag == tar.TypeReg {
			e.sum = digest(data)
		}
		if _, twice := entries[name]; twice {
			t.Errorf("%s is there twice", name)
		}
		entries[name], content[name] = e, data
	}
}

// rpmFiles are the files of a package as rpm has them.
func rpmFiles(t *testing.T, path string) map[string]entry {
	t.Helper()
	entries := map[string]entry{}
	list := run(t, "rpm", "-qp", "--qf", `[%{FILEMODES:octal} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILEMTIMES} %{FILEDIGESTS} %{FILENAMES}\n]`, path)
	for line := range strings.Lines(list) {
		words := strings.Fields(line)
		if len(words) != 6 {
			t.Fatalf("%q", line)
		}
		mode, err := strconv.ParseInt(words[0], 8, 64)
		if err != nil || mode&^0o7777 != 0o100000 {
			t.Errorf("%s has the mode %s: %v", words[5], words[0], err)
		}
		seconds, err := strconv.ParseInt(words[3], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		entries[strings.TrimPrefix(words[5], "/")] = entry{mode & 0o7777, words[1], words[2], time.Unix(seconds, 0), words[4]}
	}
	return entries
}

// gunzip unpacks all members of a gzip file.
func gunzip(t *testing.T, data []byte) []byte {
	t.Helper()
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// secondMember is what follows the first member of a gzip file: the files of an apk
// package, which come after what it says of itself.
func secondMember(t *testing.T, data []byte) []byte {
	t.Helper()
	rest := bytes.NewReader(data)
	reader, err := gzip.NewReader(rest)
	if err != nil {
		t.Fatal(err)
	}
	reader.Multistream(false)
	if _, err := io.Copy(io.Discard, reader); err != nil {
		t.Fatal(err)
	}
	return data[len(data)-rest.Len():]
}
