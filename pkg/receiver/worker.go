package receiver

import "context"

// worker runs one thing at a time. However often it is woken while it is at work, it
// runs exactly once more: a run that begins after an event sees what the event is about.
type worker struct {
	run  func(context.Context)
	due  chan struct{} // holds at most one
	done chan struct{}
}

func newWorker(run func(context.Context)) *worker {
	return &worker{run: run, due: make(chan struct{}, 1), done: make(chan struct{})}
}

// wake asks for a run that begins after this.
func (w *worker) wake() {
	select {
	case w.due <- struct{}{}:
	default: // one waits already
	}
}

// work runs until it is closed, and then still what was asked for. The context cuts a
// run off, and lets no other begin.
func (w *worker) work(ctx context.Context, closed <-chan struct{}) {
	defer close(w.done)
	for last := false; !last; {
		select {
		case <-w.due:
		case <-closed:
			last = true
			select {
			case <-w.due:
			default:
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
		w.run(ctx)
	}
}
