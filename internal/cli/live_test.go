package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/unitstamp/unitstamp/internal/scripttest"
)

const columns = 60

// terminal is a printer on a terminal that remembers what it is told. It is for the time of
// a synctest bubble.
func terminal(columns int) (*Printer, *bytes.Buffer) {
	var stream bytes.Buffer
	l := &live{out: &stream, name: "sample", width: func() int { return columns }, now: time.Now}
	return &Printer{name: "sample", stdout: l.above(&stream), stderr: l.above(&stream), live: l}, &stream
}

// since is a status that counts seconds.
func since(doing, how string) Status {
	began := time.Now()
	return func(now time.Time) (string, string) {
		return doing, how + now.Sub(began).Truncate(time.Second).String()
	}
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, stream := terminal(columns)
		shows := func(want ...string) {
			t.Helper()
			synctest.Wait()
			p.live.mu.Lock()
			defer p.live.mu.Unlock()
			if got := scripttest.Screen(t, columns, stream.String()); !slices.Equal(got, want) {
				t.Errorf("after %q the terminal shows\n%s\nwant\n%s", stream, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		shows()
		p.Progress(since("[1/2] restart a.service", "waiting for the job, "))
		shows("sample: [1/2] restart a.service … waiting for the job, 0s")
		time.Sleep(2100 * time.Millisecond)
		shows("sample: [1/2] restart a.service … waiting for the job, 2s")

		// another line goes above it
		p.Note("a note")
		shows("sample: a note")
		time.Sleep(redraw)
		shows("sample: a note", "sample: [1/2] restart a.service … waiting for the job, 2s")

		// what is shorter leaves nothing behind
		p.Progress(since("[1/2] restart a.service", ""))
		time.Sleep(redraw)
		shows("sample: a note", "sample: [1/2] restart a.service … 0s")

		// a line without an end is let be
		p.Printf("half")
		time.Sleep(redraw)
		shows("sample: a note", "half")
		p.Printf(" and half\n")
		time.Sleep(redraw)
		shows("sample: a note", "half and half", "sample: [1/2] restart a.service … 0s")

		p.Progress(nil)
		p.Progress(nil)
		shows("sample: a note", "half and half")
		p.Note("done")
		time.Sleep(time.Minute)
		shows("sample: a note", "half and half", "sample: done")
	}) // which fails if a goroutine is left
}

func TestProgressIsDrawnSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, stream := terminal(columns)
		const length = 3 * time.Second
		for began := time.Now(); time.Since(began) < length; time.Sleep(10 * time.Millisecond) {
			text := time.Since(began).String()
			p.Progress(func(time.Time) (string, string) { return text, "" })
		}
		p.Progress(nil)
		draws := strings.Count(stream.String(), "…")
		if most := 2 * int(length/redraw); draws < 2 || draws > most {
			t.Errorf("drawn %d times within %v, want at most %d", draws, length, most)
		}
	})
}

func TestProgressAmongPrints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, stream := terminal(columns)
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for j := range 50 {
					p.Progress(since(fmt.Sprint("step ", i), ""))
					p.Note("%d %d", i, j)
					time.Sleep(redraw / 3)
				}
			})
		}
		all.Wait()
		p.Progress(nil)
		lines := scripttest.Screen(t, columns, stream.String())
		for _, line := range lines {
			var i, j int
			if n, err := fmt.Sscanf(line, "sample: %d %d", &i, &j); n != 2 || line != fmt.Sprintf("sample: %d %d", i, j) {
				t.Errorf("%q: %v", line, err)
			}
		}
		if len(lines) != 8*50 {
			t.Errorf("%d lines, want %d", len(lines), 8*50)
		}
	})
}

func TestFit(t *testing.T) {
	for _, tt := range []struct {
		doing, how string
		columns    int
		want       string
	}{
		{"restart a.service", "4s", 40, "restart a.service … 4s"},
		{"restart a.service", "", 40, "restart a.service …"},
		{"restart a.service", "4s", 22, "restart a.service … 4s"},
		{"restart a.service", "4s", 21, "restart a.servic … 4s"},
		{"restart a.service", "4s", 5, " … 4s"},
		{"restart a.service", "4s", 3, " … "},
		{"restart a.service", "4s", -1, ""},
		{"über\x1b[2J", "4s", 40, "über\ufffd[2J … 4s"},
	} {
		if got := fit(tt.doing, tt.how, tt.columns); got != tt.want {
			t.Errorf("fit(%q, %q, %d) = %q, want %q", tt.doing, tt.how, tt.columns, got, tt.want)
		}
	}
}
