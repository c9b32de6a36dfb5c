package receiver

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/unitstamp/unitstamp/internal/atomicfile"
)

// Remembered is how many keys of events a ledger holds; the oldest goes first.
const Remembered = 4096

// A Ledger knows the events that runs have followed from. It holds digests of their
// keys, in a file if it has one, so that they are known after a restart as well.
type Ledger struct {
	mu    sync.Mutex
	path  string // "" for none
	known map[string]bool
	order []string // oldest first
	lines int      // of the file
}

// NewLedger is one that forgets when the process ends.
func NewLedger() *Ledger { return &Ledger{known: map[string]bool{}} }

// OpenLedger is one that is kept in a folder, which must be there.
func OpenLedger(folder string) (*Ledger, error) {
	l := NewLedger()
	l.path = filepath.Join(folder, "events")
	f, err := os.Open(l.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(folder); err != nil {
			return nil, err
		}
		return l, l.rewrite() // now rather than at the first event, if it cannot be written
	case err != nil:
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if key := lines.Text(); len(key) == 2*keySize { // the last line may be cut off
			l.remember(key)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return l, l.rewrite()
}

// keySize is how much of a digest is kept, in bytes: enough that nobody finds two alike.
const keySize = 16

// Add notes an event's keys. It is not fresh if one of them is known; one without keys
// always is. An error means that the file could not be written; the event is known to
// this process all the same.
func (l *Ledger) Add(keys []string) (fresh bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var digests []string
	for _, key := range keys {
		sum := sha256.Sum256([]byte(key))
		d := hex.EncodeToString(sum[:keySize])
		if l.known[d] {
			return false, nil
		}
		digests = append(digests, d)
	}
	for _, d := range digests {
		l.remember(d)
	}
	if l.path == "" || len(digests) == 0 {
		return true, nil
	}
	if l.lines += len(digests); l.lines > 2*Remembered {
		return true, l.rewrite()
	}
	return true, l.append(digests)
}

func (l *Ledger) remember(d string) {
	if l.known[d] {
		return
	}
	if len(l.order) == Remembered {
		delete(l.known, l.order[0])
		l.order = append(l.order[:0], l.order[1:]...)
	}
	l.known[d] = true
	l.order = append(l.order, d)
}

// append adds lines in one write. Should the machine lose power, the last events may
// cause a run once more, which does no harm.
func (l *Ledger) append(digests []string) error {
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(digests, "\n") + "\n")
	return errors.Join(err, f.Close())
}

// rewrite leaves out of the file what is forgotten.
func (l *Ledger) rewrite() error {
	text := ""
	if len(l.order) > 0 {
		text = strings.Join(l.order, "\n") + "\n"
	}
	var b atomicfile.Batch
	defer b.Discard()
	if err := b.Create(l.path, []byte(text), 0o600); err != nil {
		return err
	}
	if err := b.Commit(); err != nil {
		return err
	}
	l.lines = len(l.order)
	return nil
}
