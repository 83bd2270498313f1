// The test node in Go, as small as it goes: for what differs there, which is the runtime (its threads, its signals, its
// registers for arguments) and the sockets (dual-stack, never blocking). See testnode/ for the one with faults.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	listen  = flag.String("listen", "", "IP:PORT")
	state   = flag.String("state", "", "folder of height, ledger and LOCK")
	version = flag.String("version", "0.0.0", "what answers and ledger say")
	blockMs = flag.Int("block-ms", 0, "a block is committed so often")
	stopMs  = flag.Int("stop-ms", 0, "time between SIGTERM and the stop")

	height             uint64
	ledger, heightFile *os.File
	lock               *os.File // kept, because a file that is collected is closed, and its lock is gone
)

// What a gate hangs on: called before anything of the block is written.
//
//go:noinline
func commitBlock(next uint64) {
	if ledger != nil {
		must(fmt.Fprintf(ledger, "%d %s %d\n", next, *version, os.Getpid()))
		check(ledger.Sync())
		must(heightFile.WriteAt([]byte(fmt.Sprintf("%020d\n", next)), 0))
	}
	atomic.StoreUint64(&height, next)
	fmt.Printf("committed height=%d version=%s\n", next, *version)
}

func main() {
	readFlags()
	openState()
	stopping := make(chan os.Signal, 1)
	signal.Notify(stopping, syscall.SIGTERM, syscall.SIGINT)

	server := &http.Server{Addr: *listen, Handler: http.HandlerFunc(answer)}
	go func() {
		if err := server.ListenAndServe(); err != http.ErrServerClosed {
			check(err)
		}
	}()
	if *blockMs > 0 {
		go func() {
			for range time.Tick(time.Duration(*blockMs) * time.Millisecond) {
				commitBlock(atomic.LoadUint64(&height) + 1)
			}
		}()
	}
	<-stopping
	if *stopMs > 0 {
		<-time.After(time.Duration(*stopMs) * time.Millisecond)
	}
	limit, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = server.Shutdown(limit)
	fmt.Printf("stopped version=%s\n", *version)
}

func answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "testnode/"+*version)
	now := atomic.LoadUint64(&height)
	body, _ := io.ReadAll(io.LimitReader(r.Body, 4096))
	switch {
	case r.Method == http.MethodPost && strings.Contains(string(body), "eth_blockNumber"):
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":"0x%x"}`, now)
	case r.Method == http.MethodPost:
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no such method"}}`)
	case r.URL.Path == "/metrics":
		fmt.Fprintf(w, "# TYPE node_height gauge\nnode_height %d\n", now)
	default:
		fmt.Fprintf(w, "%s %d\n", *version, now)
	}
}

// The command line, then the file testnode.args beside the executable: a release's own version.
func readFlags() {
	words := os.Args[1:]
	if self, err := os.Readlink("/proc/self/exe"); err == nil {
		if text, err := os.ReadFile(filepath.Join(filepath.Dir(self), "testnode.args")); err == nil {
			words = append(words, strings.Fields(string(text))...)
		}
	}
	check(flag.CommandLine.Parse(words))
}

func openState() {
	if *state == "" {
		return
	}
	check(os.MkdirAll(*state, 0o755))
	lock = mustOpen("LOCK", os.O_RDWR)
	check(syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	heightFile = mustOpen("height", os.O_RDWR)
	ledger = mustOpen("ledger", os.O_RDWR|os.O_APPEND)
	text, err := os.ReadFile(filepath.Join(*state, "ledger"))
	check(err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if words := strings.Fields(lines[len(lines)-1]); len(words) > 0 {
		height, err = strconv.ParseUint(words[0], 10, 64)
		check(err)
	}
	fmt.Printf("opened height=%d version=%s\n", height, *version)
}

func mustOpen(name string, flags int) *os.File {
	file, err := os.OpenFile(filepath.Join(*state, name), flags|os.O_CREATE, 0o644)
	check(err)
	return file
}

func must(_ int, err error) { check(err) }

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "testnode:", err)
		os.Exit(1)
	}
}
