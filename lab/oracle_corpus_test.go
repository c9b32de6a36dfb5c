//go:build lab

package lab

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// corpusUnit is one real unit file, read where it lies: the files are not ours
// to ship.
type corpusUnit struct {
	file   string // path below the corpus folder, the unit's name in messages
	name   string // the file's own name in its repository
	source []byte
}

// readCorpus reads every file of the corpus with the extension.
func readCorpus(t *testing.T, extension string) []corpusUnit {
	t.Helper()
	shared := os.Getenv("UNITSTAMP_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "shared")
	}
	folder := filepath.Join(shared, "corpus")
	index, err := os.Open(filepath.Join(folder, "index.tsv"))
	if os.IsNotExist(err) {
		t.Skipf("no corpus of real units in %s", shared)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	reader := csv.NewReader(index)
	reader.Comma, reader.LazyQuotes = '\t', true
	rows, err := reader.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var units []corpusUnit
	for _, row := range rows[1:] {
		file, path := row[0], row[2]
		if filepath.Ext(file) != extension {
			continue
		}
		source, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		units = append(units, corpusUnit{
			file:   strings.TrimPrefix(file, "units/"),
			name:   filepath.Base(path),
			source: source,
		})
	}
	if len(units) == 0 {
		t.Fatalf("the corpus in %s holds no %s file", folder, extension)
	}
	return units
}
