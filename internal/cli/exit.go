package cli

import (
	"errors"
	"fmt"
)

// What a program's exit code means. Scripts rely on it.
const (
	// Done: the work is done, or there was nothing to do.
	Done = 0
	// No: the answer is no. Problems were found, a check sees a difference, there
	// is nothing to stamp, a unit did not come up.
	No = 1
	// Usage: wrong usage, or input that cannot be read or parsed.
	Usage = 2
	// World: disk, git server, network, engine or permission failed.
	World = 3
	// Refused: not done on purpose, for safety.
	Refused = 4
)

// An Error ends a program with an exit code and, where there is one, a hint that
// tells the cure. An Error without Err ends it silently: all has been said.
type Error struct {
	Code int
	Err  error
	Hint string
}

// Error is the message without the hint.
func (e *Error) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Exit ends the program with a code and no further word.
func Exit(code int) error {
	if code == Done {
		return nil
	}
	return &Error{Code: code}
}

// Errorf makes an error with an exit code.
func Errorf(code int, format string, args ...any) *Error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}

// WithHint adds what to do about it.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// ExitCode is the code that an error ends a program with. An error that carries
// none is the world's.
func ExitCode(err error) int {
	if err == nil {
		return Done
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return World
}

// Hint is the cure that an error carries, or "".
func Hint(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}
