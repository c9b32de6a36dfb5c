//go:build lab

package lab

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unitstamp/unitstamp/internal/corpus"
)

// realUnit is one unit file as found in a repository.
type realUnit struct {
	file   string // its path in the collection: its name in messages
	name   string // the name that systemd would load it under
	source []byte
	// collected tells that it is of the collection beside the project, not of
	// the project's own testdata.
	collected bool
}

// realUnits reads every file with the extension from the project's own
// testdata and from the collection beside the project, if there is one.
func realUnits(t *testing.T, extension string) []realUnit {
	t.Helper()
	names := namesInRepository(t)
	var units []realUnit
	for _, file := range corpus.Units(t) {
		if filepath.Ext(file.Name) != extension {
			continue
		}
		short := filepath.Join(filepath.Base(filepath.Dir(file.Name)), filepath.Base(file.Name))
		name, listed := names[short]
		if !listed {
			name = filepath.Base(file.Name)
		}
		units = append(units, realUnit{file: short, name: name, source: file.Bytes, collected: listed})
	}
	return units
}

// namesInRepository maps the collection's files, whose names hold the folder
// they lay in (`unit_files__web.service`), to the names they had.
func namesInRepository(t *testing.T) map[string]string {
	t.Helper()
	names := map[string]string{}
	shared := corpus.Shared(t)
	if shared == "" {
		return names
	}
	index, err := os.Open(filepath.Join(shared, "corpus", "index.tsv"))
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
	for _, row := range rows[1:] {
		names[strings.TrimPrefix(row[0], "units/")] = filepath.Base(row[2])
	}
	return names
}
