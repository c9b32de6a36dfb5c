package circleci

import (
	"errors"
	"regexp"
)

var (
	block = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	push  = regexp.MustCompile(`(?m)^ +- unitstamp/push:\n(?: {10}.*\n)+`)
)

// OverSSH is a service's configuration with the step in the place of its last one that
// the page beside it shows for pushing over ssh.
func OverSSH(configuration, page string) (string, error) {
	m := block.FindStringSubmatch(page)
	if m == nil || len(push.FindAllString(configuration, -1)) != 1 || push.FindString(m[1]) != m[1] {
		return "", errors.New("the page has no step for the configuration's step unitstamp/push")
	}
	return push.ReplaceAllLiteralString(configuration, m[1]), nil
}
