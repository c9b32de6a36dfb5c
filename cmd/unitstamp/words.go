package main

import "fmt"

// closingWord says what a run has written.
func closingWord(tag string, files, references, all int) string {
	switch {
	case files == 0 && all == 1:
		return fmt.Sprintf("the file carries the tag %s already", tag)
	case files == 0:
		return fmt.Sprintf("all %d files carry the tag %s already", all, tag)
	}
	return fmt.Sprintf("%s written into %s of %s", tag, count(references, "reference"), count(files, "file"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
