package guard

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"text/template/parse"
)

// Bounds of a message template. A job may write the message for another one's
// request, so a template must end soon and stay small, whatever it says.
const (
	maxTemplate = 4 << 10
	maxText     = 64 << 10
)

// CheckTemplate reports what is wrong with a message template.
func CheckTemplate(text string) error {
	_, err := render(text, Message{Units: "a", Tag: "1-b"})
	return err
}

func render(text string, m Message) (string, error) {
	if len(text) > maxTemplate {
		return "", fmt.Errorf("the message template is longer than %d bytes", maxTemplate)
	}
	t, err := template.New("message").Option("missingkey=error").Funcs(boundedFuncs).Parse(text)
	if err != nil {
		return "", fmt.Errorf("the message template cannot be read: %s", strings.TrimPrefix(err.Error(), "template: message:"))
	}
	if t.Tree == nil || len(t.Templates()) > 1 || loops(t.Root) {
		return "", errors.New("the message template may not use range, define, block or template")
	}
	b := boundedText{}
	if err := t.Execute(&b, m); err != nil {
		if errors.Is(err, errTooLong) {
			return "", errTooLong
		}
		return "", fmt.Errorf("the message template cannot be filled in; it may use .Units .Removed .Tag .Branch .Source .URL .Images")
	}
	if strings.TrimSpace(b.String()) == "" {
		return "", fmt.Errorf("the message template gives an empty message")
	}
	return strings.TrimRight(b.String(), "\n"), nil
}

// loops reports whether a part of a template may be run more than once.
func loops(n parse.Node) bool {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return false
		}
		for _, inner := range n.Nodes {
			if loops(inner) {
				return true
			}
		}
	case *parse.IfNode:
		return loops(n.List) || loops(n.ElseList)
	case *parse.WithNode:
		return loops(n.List) || loops(n.ElseList)
	case *parse.RangeNode, *parse.TemplateNode:
		return true
	}
	return false
}

var errTooLong = fmt.Errorf("the message template gives more than %d bytes", maxText)

// boundedText is a strings.Builder with an end.
type boundedText struct{ strings.Builder }

func (b *boundedText) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxText {
		return 0, errTooLong
	}
	return b.Builder.Write(p)
}

// wide is a width or precision of four digits or more, or one that is given as
// an argument.
var wide = regexp.MustCompile(`%[^%a-zA-Z]*([0-9]{4}|\*)`)

// boundedFuncs stand in for those functions of text/template that make text
// longer.
var boundedFuncs = template.FuncMap{
	"printf": func(format string, args ...any) (string, error) {
		if wide.MatchString(format) {
			return "", errTooLong
		}
		return bounded(fmt.Sprintf(format, args...))
	},
	"print":    func(args ...any) (string, error) { return bounded(fmt.Sprint(args...)) },
	"println":  func(args ...any) (string, error) { return bounded(fmt.Sprintln(args...)) },
	"html":     func(args ...any) (string, error) { return bounded(template.HTMLEscaper(args...)) },
	"js":       func(args ...any) (string, error) { return bounded(template.JSEscaper(args...)) },
	"urlquery": func(args ...any) (string, error) { return bounded(template.URLQueryEscaper(args...)) },
}

func bounded(text string) (string, error) {
	if len(text) > maxText {
		return "", errTooLong
	}
	return text, nil
}
