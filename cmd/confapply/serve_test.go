package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/unitstamp/unitstamp/internal/docpage"
)

const patience = 15 * time.Second

var listening = regexp.MustCompile(`listening on (\S+)`)

// hook is a command for scripts. It sends a body to the server that writes the file
// log, signed by the file secret where a header says HMAC, and wants an answer:
//
//	hook 202 accepted /hook/github body.json 'X-Hub-Signature-256: sha256=HMAC'
func hook(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: hook STATUS ANSWER PATH FILE [HEADER…]")
	}
	body := []byte(ts.ReadFile(args[3]))
	mac := hmac.New(sha256.New, []byte(strings.TrimSpace(ts.ReadFile("secret"))))
	mac.Write(body)
	q, err := http.NewRequest(http.MethodPost, "http://"+waitFor(ts, "log", listening)[1]+args[2], bytes.NewReader(body))
	ts.Check(err)
	q.Header.Set("Content-Type", "application/json")
	for _, header := range args[4:] {
		name, value, _ := strings.Cut(header, ": ")
		q.Header.Set(name, strings.Replace(value, "HMAC", hex.EncodeToString(mac.Sum(nil)), 1))
	}
	response, err := (&http.Client{Timeout: patience}).Do(q)
	ts.Check(err)
	answer, err := io.ReadAll(response.Body)
	ts.Check(err)
	ts.Check(response.Body.Close())
	if got := fmt.Sprint(response.StatusCode, " ", strings.TrimSpace(string(answer))); got != args[0]+" "+args[1] {
		ts.Fatalf("answer %q", got)
	}
}

// seen is a command for scripts that waits until a file matches: seen log 'done'.
func seen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: seen FILE REGEXP")
	}
	waitFor(ts, args[0], regexp.MustCompile("(?m)"+args[1]))
}

func waitFor(ts *testscript.TestScript, file string, pattern *regexp.Regexp) []string {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(file))
		if m := pattern.FindStringSubmatch(string(text)); err == nil && m != nil {
			return m
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not match %s within %v:\n%s", file, pattern, patience, text)
		}
	}
}

// TestServeDocs runs the examples of the page that need neither curl nor systemd.
func TestServeDocs(t *testing.T) {
	docpage.Run(t, "../../docs/serve.md", "", docpage.Self(t, "confapply"))
}

// TestSocketActivation hands a listening socket over as systemd does, takes the word
// that the program is ready, and has it end.
func TestSocketActivation(t *testing.T) {
	folder := t.TempDir()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(folder, "n")})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// LISTEN_PID has to name the process itself
	command := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", filepath.Join(docpage.Self(t, "confapply"), "confapply"),
		"serve", "--insecure-no-secret", "generic", "--listen", "nowhere", "--units", folder, "--target", folder)
	command.Env = append(os.Environ(), "LISTEN_FDS=1", "LISTEN_FDNAMES=hook", "NOTIFY_SOCKET="+filepath.Join(folder, "n"))
	command.ExtraFiles = []*os.File{file}
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer command.Process.Kill()
	file.Close()
	expect := func(word string) {
		t.Helper()
		if err := notify.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 100)
		n, err := notify.Read(buffer)
		if err != nil || string(buffer[:n]) != word {
			t.Fatalf("told %q, %v", buffer[:n], err)
		}
	}
	expect("READY=1")
	lines := bufio.NewScanner(stderr)
	if !lines.Scan() || lines.Text() != "confapply: listening on "+address {
		t.Errorf("%q", lines.Text())
	}
	response, err := http.Get("http://" + address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Error(response.Status)
	}
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	expect("STOPPING=1")
	for lines.Scan() {
	}
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
}

func TestHarmless(t *testing.T) {
	for text, want := range map[string]string{
		"branch \"x\"": `branch "x"`, "a\nb": `a\nb`, "\x1b[31m": `\x1b[31m`, "ä": "ä",
		strings.Repeat("ä", 200): strings.Repeat("ä", 150) + "…",
	} {
		if got := harmless(text); got != want {
			t.Errorf("%q", got)
		}
	}
}

func TestIsService(t *testing.T) {
	for name, want := range map[string]bool{
		"sysconfig-apply.service": true, "a@b.service": true, `a\x2db.service`: true,
		"": false, ".service": false, "a": false, "a.timer": false, "a b.service": false, "../a.service": false, "a@.service": false, "@a.service": false, "a;b.service": false,
		strings.Repeat("a", 248) + ".service": false,
	} {
		if got := isService(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
