package messages

import "regexp"

// A quiet use is one in which a text is no message: a test of this package says why.
type quiet struct {
	where *regexp.Regexp // FILE:LINE, nil for everywhere
	use   *regexp.Regexp
	why   string
}

func re(pattern string) *regexp.Regexp { return regexp.MustCompile(pattern) }

var quietUses = []quiet{
	{nil, re(`^field (Usage|Description|DefaultText) of `), "help and man pages"},
	{nil, re(`^argument \d of .*Hint$|^field Hint of |^assigned to (.*\.)?[hH]int$|^result \d of (numberHint|refusalHint)$|^assigned to (cure|stampFile|moreTime)$`), "a cure, printed below a message"},
	{re(`^pkg/guard/`), re(`^element 2 of Refusal$`), "a cure, printed below a message"},
	{re(`^pkg/plan/limit`), re(`^element 1 of Refusal$`), "a cure, printed below a message"},
	{re(`^pkg/cienv/`), re(`^element 1 of Error$`), "a cure, printed below a message"},
	{re(`^pkg/unitimage/`), re(`^element 2 of Obstacle$|^argument 5 of [fs]\.doubt$|^result 2 of describeIssue$`), "a cure, printed below a message"},
	{re(`^pkg/unitfile/`), re(`^element 3 of SyntaxError$`), "a cure, printed below a message"},
	{re(`^pkg/execline/`), re(`^element 5 of Problem$|^result 1 of badPath$`), "a cure, printed below a message"},
	{re(`^pkg/lint/`), re(`^argument 3 of wrong$|^argument 1 of p\.fail$|^assigned to form$`), "a cure, printed below a message"},
	{re(`^pkg/stamp/`), re(`^argument 4 of s\.finding$`), "a cure, printed below a message"},

	{nil, re(`^compared$|^argument \d of (strings\.\w+|bytes\.\w+|has|containsAny|regexp\.MustCompile|fmt\.Sscanf)$`), "looked for in what others say"},
	{re(`^pkg/confrepo/report`), re(`^element \d+ of \[\]string$|^assigned to missingRef$`), "looked for in what others say"},
	{re(`^pkg/confrepo/`), re(`^argument \d of (b\.line|\[\]byte|fmt\.Fprintf|out\.WriteString)$|^assigned to (caps|tail|sealMark)$|^result \d of (capabilities0|header)$`), "git's protocol"},
	{re(`^pkg/webhook/`), re(`^assigned to scheme$|^argument 1 of append$`), "HTTP, and what a ledger remembers"},
	{re(`^pkg/guard/message`), re(``), "the message of a commit"},
	{re(`^pkg/lint/`), re(`^field Summary of Rule$`), "printed by unitstamp rules; the rule's page has it"},
	{re(`^pkg/lint/us(001|008)`), re(`^element 0 of $|^field .* of map$`), "the name of a character"},
	{re(`^pkg/lint/us034`), re(`WriteString$`), "a name to look for"},
	{re(`^pkg/confrepo/errors`), re(`^field \w+ of map$`), "the name of a kind of errors, for tests"},
	{re(`^pkg/cienv/systems`), re(`^field name of $`), "the name of a CI system"},
	{re(`^pkg/report/|^pkg/lint/config`), re(`^(field (Name|Text) of|assigned to text$|assigned to Example$|argument 1 of fmt\.Fprintf$|element 0 of sarifMessage$)`), "a frame around findings, or a file that is written"},
	{re(`^pkg/containerrun/`), re(`^field Text of Issue$`), "a word of a command line"},
	{re(`^cmd/confapply/metrics`), re(`^argument 1 of (m\.head|fmt\.Fprintf)$`), "a file of metrics"},
	{re(`^internal/cli/completion`), re(`^field "\w+" of map$`), "a script for a shell"},
	{re(`^internal/cli/print`), re(`^argument 2 of paint$`), "what stands before every message"},
}

func (q quiet) matches(x text) bool {
	return (q.where == nil || q.where.MatchString(x.at)) && q.use.MatchString(x.use)
}

// exceptions are texts without a row, each with the reason.
var exceptions = map[string]string{
	"link to %v\n": "a line of a diff",
	"what the client says of a container: %w": "not shown: a client that cannot be asked counts as one that is not there",
	"not at hand":                                         "not shown: a note says so in other words",
	"no engine to ask":                                    "not shown: the unit counts as up",
	"build number and branch are":                         "a part of: the … unknown",
	"branch is":                                           "a part of: the … unknown",
	"build number is":                                     "a part of: the … unknown",
	"a build tag needs a branch":                          "cannot happen: a build without a branch is refused before",
	"unbalanced quoting":                                  "not shown: a problem with a place is made of it",
	"(unreadable URL)":                                    "stands in --json in the place of a URL that may hold a password",
	"more objects than are worth reading":                 "not shown: the reading goes on in another way",
	"no key was used":                                     "not shown: the request cannot be sealed",
	"the key is not there any more":                       "not shown: the request cannot be sealed",
	"content of the tip is still to be fetched":           "not shown: the decision is asked again when it is there",
	"the decision never stops asking for more of the tip": "cannot happen: a decision asks at most a few times",
	"%s is no ancestor that was looked up":                "cannot happen: only those that were are asked for",
	"the folder is not locked":                            "cannot happen: every run locks it first",
	"the plan has no file for %s":                         "cannot happen: a step that writes has a file",
	"%q is no state of a unit":                            "cannot happen: the last look at what is sent",
	"a template cannot be started":                        "cannot happen: the last look at what is sent",

	// Requests of other jobs that cannot be read are passed over, and their own job
	// decides alone; an order that cannot be written as a request has no queue.
	"the request cannot be read":                               "not shown: another job's request",
	"the request cannot be read: %w":                           "not shown: another job's request",
	"the request cannot be decided: %v":                        "not shown: another job's request",
	"something follows the request":                            "not shown: another job's request",
	"the request is of version %d, known is %d":                "not shown: another job's request",
	"the request asks to be allowed %q, which is not known":    "not shown: another job's request",
	"the request names %d files, allowed are 1 to %d":          "not shown: another job's request",
	"the request is longer than %d bytes":                      "not shown: another job's request",
	"the request's build is described in more than plain text": "not shown: another job's request",
	"the message template holds a control character":           "not shown: another job's request",
	"%q is no path":                  "not shown: another job's request",
	"%q is named twice":              "not shown: another job's request",
	"%q is both written and removed": "not shown: another job's request",
	"%q is no tag":                   "not shown: another job's request",
}
