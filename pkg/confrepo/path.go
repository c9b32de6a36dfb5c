package confrepo

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckPath reports whether path may be written into a repository: slash
// separated, relative, without empty, "." and ".." parts, control characters
// and backslashes, and with no part that any file system could take for git's
// own folder or files (after git's verify_path, is_hfs_dotgit and
// is_ntfs_dotgit), nor a name that Windows reserves. The error is of kind
// [Usage].
func CheckPath(path string) error {
	bad := func(why string) error { return usage("path %q %s", path, why) }
	switch {
	case path == "":
		return usage("the path is empty")
	case !utf8.ValidString(path):
		return bad("is not valid UTF-8")
	case strings.HasPrefix(path, "/"):
		return bad("is absolute; it must be relative to the repository's root")
	case strings.Contains(path, `\`):
		return bad("holds a backslash")
	case strings.IndexFunc(path, unicode.IsControl) >= 0:
		return bad("holds a control character")
	case len(path) > 4096:
		return bad("is longer than 4096 bytes")
	}
	for _, part := range strings.Split(path, "/") {
		switch {
		case part == "":
			return bad("has an empty part")
		case part == "." || part == "..":
			return bad("has a part " + part)
		case len(part) > 255:
			return bad("has a part longer than 255 bytes")
		case gitName(part):
			return bad("has a part that git keeps for itself")
		case windowsName(part):
			return bad("has a part that is reserved on Windows")
		}
	}
	return nil
}

// gitName reports whether a file system that folds case, drops ignorable
// characters (HFS+), trailing dots and spaces or stream names (NTFS), or makes
// short names could take name for .git or .gitmodules.
func gitName(name string) bool {
	folded := strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, name))
	folded, _, _ = strings.Cut(folded, ":")
	folded = strings.TrimRight(folded, " .")
	before, number, isShort := strings.Cut(folded, "~")
	if !isShort {
		return folded == ".git" || folded == ".gitmodules"
	}
	return number != "" && strings.Trim(number, "0123456789") == "" && (before == "git" || before == "gitmod" || before == "gi7eba")
}

func windowsName(name string) bool {
	base, _, _ := strings.Cut(strings.ToLower(name), ".")
	switch base {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(base) == 4 && (base[:3] == "com" || base[:3] == "lpt") && base[3] >= '1' && base[3] <= '9'
}

// CheckBranch reports whether name can be a branch (git-check-ref-format and
// the extra rule of git-branch that it does not begin with a dash). The error
// is of kind [Usage].
func CheckBranch(name string) error {
	bad := func(why string) error { return usage("branch name %q %s", name, why) }
	switch {
	case name == "":
		return usage("the branch name is empty")
	case name == "@" || name == "HEAD":
		return bad("is reserved")
	case strings.HasPrefix(name, "-"):
		return bad("begins with a dash")
	case !utf8.ValidString(name):
		return bad("is not valid UTF-8")
	case strings.HasPrefix(name, "refs/"):
		return bad("begins with refs/; give the short name")
	case len(name) > 244:
		return bad("is longer than 244 bytes")
	case strings.Contains(name, ".."):
		return bad("holds ..")
	case strings.Contains(name, "@{"):
		return bad("holds @{")
	case strings.HasSuffix(name, "."):
		return bad("ends with a dot")
	}
	for _, r := range name {
		if unicode.IsControl(r) || strings.ContainsRune(` ~^:?*[\`, r) {
			return bad("holds a space, a control character or one of ~ ^ : ? * [ \\")
		}
	}
	for _, part := range strings.Split(name, "/") {
		switch {
		case part == "":
			return bad("has an empty part")
		case strings.HasPrefix(part, "."):
			return bad("has a part that begins with a dot")
		case strings.HasSuffix(part, ".lock"):
			return bad("has a part that ends with .lock")
		}
	}
	return nil
}
