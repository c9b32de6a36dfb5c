package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/unitstamp/unitstamp/internal/programs"
)

// What a user waits for, each next to what would be used instead. The programs run
// as they would in CI, start-up included. bench/stamp prints the ratios.

const benchUnit = `[Unit]
Description=My service
After=docker.service
Requires=docker.service

[Service]
Environment=LOG_LEVEL=info
ExecStartPre=-/usr/bin/docker rm -f myservice
ExecStartPre=/usr/bin/docker pull myrepo/myservice
ExecStart=/usr/bin/docker run --name myservice -p 3000:3000 myrepo/myservice
ExecStop=/usr/bin/docker stop myservice
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
`

// units writes so many units into a folder of their own.
func benchUnits(b *testing.B, count int) string {
	b.Helper()
	dir := b.TempDir()
	for i := range count {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("s%05d.service", i)), []byte(benchUnit), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

func runProgram(b *testing.B, dir string, name string, args ...string) {
	b.Helper()
	command := exec.Command(name, args...)
	command.Dir = dir
	if output, err := command.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", name, err, output)
	}
}

func BenchmarkOneFile(b *testing.B) {
	program := filepath.Join(programs.For(b, "unitstamp"), "unitstamp")
	dir := benchUnits(b, 1)
	build := 0
	b.Run("unitstamp", func(b *testing.B) {
		for b.Loop() {
			build++
			runProgram(b, dir, program, "stamp", "-w", "--tag", fmt.Sprintf("%d-develop", build), "--image", "myrepo/myservice", "s00000.service")
		}
	})
	b.Run("sed", func(b *testing.B) {
		for b.Loop() {
			build++
			runProgram(b, dir, "sed", "-i", "-E", sedScript(build), "s00000.service")
		}
	})
}

// Benchmark10000Files stamps files that were just made, as a job does with what it
// has checked out.
func Benchmark10000Files(b *testing.B) {
	program := filepath.Join(programs.For(b, "unitstamp"), "unitstamp")
	tree := func(b *testing.B, run func(dir string)) {
		for b.Loop() {
			b.StopTimer()
			dir := benchUnits(b, 10000)
			runProgram(b, dir, "sync", "-f", ".")
			b.StartTimer()
			run(dir)
		}
	}
	b.Run("unitstamp", func(b *testing.B) {
		tree(b, func(dir string) {
			runProgram(b, dir, program, "stamp", "-w", "-r", "--tag", "58-develop", "--image", "myrepo/myservice", ".")
		})
	})
	b.Run("sed", func(b *testing.B) {
		tree(b, func(dir string) { runProgram(b, dir, "sh", "-c", "sed -i -E '"+sedScript(58)+"' *.service") })
	})
}

// sedScript is the careful expression, which still gets a fifth of real units
// wrong.
func sedScript(build int) string {
	return fmt.Sprintf(`s#myrepo/myservice(:[A-Za-z0-9_.-]+)?$#myrepo/myservice:%d-develop#g`, build)
}
