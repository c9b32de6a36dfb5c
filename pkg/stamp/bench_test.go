package stamp

import (
	"bytes"
	"testing"

	systemd "github.com/coreos/go-systemd/v22/unit"

	"github.com/unitstamp/unitstamp/internal/corpus"
	"github.com/unitstamp/unitstamp/pkg/source"
	"github.com/unitstamp/unitstamp/pkg/unitname"
)

// The two benchmarks do the same files: reading, deciding and editing here, and
// what go-systemd's reader and writer take for reading and writing alone.

func BenchmarkStamp(b *testing.B) {
	files := corpus.Units(b)
	names := make([]unitname.Name, len(files))
	size := int64(0)
	for i, f := range files {
		names[i] = unitname.FromPath(f.Name)
		size += int64(len(f.Bytes))
	}
	target, err := Repositories([]string{"myrepo/myservice"})
	if err != nil {
		b.Fatal(err)
	}
	request := Request{Tag: "58-develop", Target: target}
	b.SetBytes(size)
	b.ReportAllocs()
	var reader Reader
	for b.Loop() {
		for i, f := range files {
			o := Stamp(reader.Read(&source.File{Name: f.Name, Bytes: f.Bytes}, names[i]), request)
			if !o.Unreadable {
				if _, err := o.Output(); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}

func BenchmarkGoSystemdRead(b *testing.B) {
	files := corpus.Units(b)
	size := int64(0)
	for _, f := range files {
		size += int64(len(f.Bytes))
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		for _, f := range files {
			// Files that it cannot read count as read.
			_, _ = systemd.DeserializeOptions(bytes.NewReader(f.Bytes))
		}
	}
}

func BenchmarkGoSystemdReadWrite(b *testing.B) {
	files := corpus.Units(b)
	size := int64(0)
	for _, f := range files {
		size += int64(len(f.Bytes))
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		for _, f := range files {
			options, err := systemd.DeserializeOptions(bytes.NewReader(f.Bytes))
			if err != nil {
				continue
			}
			var out bytes.Buffer
			if _, err := out.ReadFrom(systemd.Serialize(options)); err != nil {
				b.Fatal(err)
			}
		}
	}
}
