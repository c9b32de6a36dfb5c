package main

import "fmt"

// closingWord says what a run has written.
func closingWord(tag string, files, references, all int) string {
	if files == 0 {
		return fmt.Sprintf("%s carry the tag %s already", count(all, "file"), tag)
	}
	return fmt.Sprintf("%s written into %s of %s", tag, count(references, "reference"), count(files, "file"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
