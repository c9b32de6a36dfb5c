// Command myservice answers every request with the build that it is.
package main

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// build is set by the linker: the tag that the image gets, too.
var build = "devel"

func main() {
	address := os.Getenv("LISTEN")
	if address == "" {
		address = ":8080"
	}
	server := &http.Server{Addr: address, Handler: http.HandlerFunc(answer), ReadHeaderTimeout: 5 * time.Second}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		server.Close()
	}()
	log.Printf("build %s listens on %s", build, address)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

func answer(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, "myservice %s\n", build)
}
