package circleci

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"strings"
)

// A jenkinsNode is a statement of a Jenkinsfile: its words, the texts among them, and
// the statements in its braces.
type jenkinsNode struct {
	words string
	texts []string
	below []jenkinsNode
}

var (
	word     = regexp.MustCompile(`^\w+`)
	variable = regexp.MustCompile(`(?:\bv|V)ariable: *'(\w+)'`)
	scripts  = regexp.MustCompile(`(?s)'''.*?'''|//[^\n]*`)
	calls    = regexp.MustCompile(`\bstage\(['"](\w+)|\b(sh|bat|powershell|pwsh)\b *['"(]`)
)

// Jenkins are the scripts of a declarative pipeline, with the variables of the
// credentials that stand around each; their values are looked up by the variables'
// names. As the step sh has it, a script that names its interpreter is run by that, and
// any other by "sh -xe".
func Jenkins(path string, secrets map[string]string) ([]Step, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	nodes, rest, err := parseJenkins(string(data))
	if err == nil && rest != "" {
		err = fmt.Errorf("a brace too many before %.20q", rest)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(nodes) != 1 || nodes[0].words != "pipeline" {
		return nil, fmt.Errorf("%s: no declarative pipeline", path)
	}
	var steps []Step
	var collect func(nodes []jenkinsNode, stage string, environment map[string]string) error
	collect = func(nodes []jenkinsNode, stage string, environment map[string]string) error {
		for _, n := range nodes {
			within, around := stage, environment
			switch name := word.FindString(n.words); name {
			case "stage":
				within = strings.Join(n.texts, " ")
			case "withCredentials":
				around = map[string]string{}
				maps.Copy(around, environment)
				for _, m := range variable.FindAllStringSubmatch(n.words, -1) {
					if secrets[m[1]] == "" {
						return fmt.Errorf("%s is none of the secrets", m[1])
					}
					around[m[1]] = secrets[m[1]]
				}
			case "environment", "script", "bat", "powershell", "pwsh":
				return fmt.Errorf("%q is not known", name)
			case "sh":
				if len(n.texts) != 1 {
					return fmt.Errorf("stage %s: %q has no script, or several", stage, n.words)
				}
				step := Step{Kind: "run", Name: stage, Command: n.texts[0], Shell: "sh -xe {0}", Environment: around}
				if strings.HasPrefix(step.Command, "#!") {
					step.Shell = "{0}"
				}
				step.Places = []string{fmt.Sprintf("%s/sh/%d", stage, len(steps))}
				steps = append(steps, step)
			}
			if err := collect(n.below, within, around); err != nil {
				return err
			}
		}
		return nil
	}
	if err := collect(nodes, "", nil); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return steps, nil
}

// JenkinsRuns lists where a Jenkinsfile has scripts, as [Jenkins] numbers them: it knows
// how a call looks, and no more of the file.
func JenkinsRuns(content string) map[string]string {
	found := map[string]string{}
	stage := ""
	for _, m := range calls.FindAllStringSubmatch(scripts.ReplaceAllString(content, "''"), -1) {
		if m[1] != "" {
			stage = m[1]
			continue
		}
		found[fmt.Sprintf("%s/%s/%d", stage, m[2], len(found))] = stage
	}
	return found
}

// parseJenkins reads statements up to the end or to a brace that closes: the rest begins
// with it.
func parseJenkins(s string) (nodes []jenkinsNode, rest string, err error) {
	for {
		s = strings.TrimLeft(s, " \t\n;")
		switch {
		case s == "" || s[0] == '}':
			return nodes, s, nil
		case strings.HasPrefix(s, "//"):
			_, s, _ = strings.Cut(s, "\n")
			continue
		}
		var n jenkinsNode
		if n, s, err = statement(s); err != nil {
			return nil, "", err
		}
		if strings.HasPrefix(s, "{") {
			if n.below, s, err = parseJenkins(s[1:]); err != nil {
				return nil, "", err
			}
			if s == "" {
				return nil, "", fmt.Errorf("the brace after %q is not closed", n.words)
			}
			s = s[1:]
		}
		nodes = append(nodes, n)
	}
}

// statement reads words up to a brace or the line's end; brackets go over lines.
func statement(s string) (n jenkinsNode, rest string, err error) {
	depth, i := 0, 0
	for i < len(s) {
		switch c := s[i]; {
		case c == '\'' || c == '"':
			quote := string(c)
			if strings.HasPrefix(s[i:], strings.Repeat(quote, 3)) {
				quote = strings.Repeat(quote, 3)
			}
			content, after, closed := strings.Cut(s[i+len(quote):], quote)
			if !closed || len(quote) == 1 && strings.Contains(content, "\n") {
				return n, "", fmt.Errorf("a text is not closed: %.20q", s[i:])
			}
			// Groovy would put in what follows a $, and would change what follows a \.
			if c == '"' && strings.Contains(content, "$") || strings.Contains(content, `\`) {
				return n, "", fmt.Errorf("the text is not what the shell would get: %.40q", content)
			}
			n.texts = append(n.texts, content)
			i = len(s) - len(after)
			continue
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth--
		case depth == 0 && (strings.HasPrefix(s[i:], "//") || c == '{' || c == '}' || c == '\n' || c == ';'):
			n.words = strings.TrimSpace(s[:i])
			return n, s[i:], nil
		}
		i++
	}
	if depth != 0 {
		return n, "", fmt.Errorf("a bracket is not closed: %.20q", s)
	}
	n.words = strings.TrimSpace(s)
	return n, "", nil
}
