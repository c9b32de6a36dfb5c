package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/unitstamp/unitstamp/internal/programs"
)

// What a user waits for, next to what would be used instead: the programs as they
// are released, start-up included. bench/plan prints the ratios.

const (
	benchUnits = 10000
	benchUnit  = `[Unit]
Description=My service
After=docker.service
Requires=docker.service

[Service]
Environment=LOG_LEVEL=info
ExecStartPre=-/usr/bin/docker rm -f s%[1]d
ExecStartPre=/usr/bin/docker pull myrepo/myservice:57-develop
ExecStart=/usr/bin/docker run --name s%[1]d -p 3000:3000 myrepo/myservice:57-develop
ExecStop=/usr/bin/docker stop s%[1]d
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
`
)

// BenchmarkPlan plans 10,000 units, with nothing to do and with every one of them
// changed, and has diff look at the same folders.
func BenchmarkPlan(b *testing.B) {
	program := filepath.Join(programs.For(b, "confapply"), "confapply")
	same, changed, target := b.TempDir(), b.TempDir(), filepath.Join(b.TempDir(), "target")
	for i := range benchUnits {
		name, text := fmt.Sprintf("s%05d.service", i), fmt.Sprintf(benchUnit, i)
		for folder, content := range map[string]string{same: text, changed: strings.ReplaceAll(text, ":57-", ":58-")} {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	benchRun(b, nil, 0, program, "apply", "--units", same, "--target", target)
	for _, bench := range []struct {
		name, units string
		code        int
	}{{"unchanged", same, 0}, {"changed", changed, 1}} {
		b.Run(bench.name+"/confapply", func(b *testing.B) {
			var u usage
			for b.Loop() {
				benchRun(b, &u, bench.code, program, "plan", "--check", "--units", bench.units, "--target", target)
			}
			u.report(b)
		})
		b.Run(bench.name+"/diff", func(b *testing.B) {
			var u usage
			for b.Loop() {
				benchRun(b, &u, bench.code, "diff", "-rq", "--exclude=.*", bench.units, target)
			}
			u.report(b)
		})
	}
}

// usage is what the programs of one benchmark cost.
type usage struct {
	cpu float64 // seconds in all
	rss int64   // kilobytes at most
}

func (u *usage) report(b *testing.B) {
	b.ReportMetric(u.cpu*1e3/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(u.rss)/1024, "MiB")
}

func benchRun(b *testing.B, u *usage, code int, name string, args ...string) {
	b.Helper()
	command := exec.Command(name, args...)
	command.Stdout = io.Discard
	err := command.Run()
	if got := command.ProcessState.ExitCode(); got != code {
		b.Fatalf("%s: exit %d, want %d: %v", name, got, code, err)
	}
	if u == nil {
		return
	}
	if used, ok := command.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.cpu += (command.ProcessState.UserTime() + command.ProcessState.SystemTime()).Seconds()
		u.rss = max(u.rss, used.Maxrss)
	}
}
