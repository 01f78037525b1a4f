package kafkatest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// The order of a node's ports.
const (
	portPlain      = 0 // PLAINTEXT, or ZooKeeper's client port
	portController = 1
	portExtra      = 2 // the first of Options.Listeners
)

// tailLines of a log make a failure readable without drowning it.
const tailLines = 30

// manyLines hold the reason of an end also where an orderly shutdown follows it.
const manyLines = 300

// node is one Java process of a cluster: a broker or ZooKeeper.
type node struct {
	id     int
	ports  []int
	root   string
	main   []string // java's class and arguments
	heap   string
	proc   *process
	config string
	from   int64 // where in the log the present run begins
}

func (n *node) dir(name string) string { return filepath.Join(n.root, name) }

func (n *node) address(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.ports[port]))
}

func (n *node) log() string { return n.dir("server.log") }

func (n *node) logTail(lines int) string { return logTail(n.log(), n.from, lines) }

func (n *node) kill() {
	if n.proc != nil {
		n.proc.kill()
	}
}

func (n *node) stop() bool { return n.proc == nil || n.proc.stop(stopGrace) }

// run starts the process; its output is appended to the node's log.
func (n *node) run(in *Install) error { return n.runTo(in, "") }

// runTo starts the process with its standard output appended to a file of its
// own; "" appends that to the node's log, too.
func (n *node) runTo(in *Install, out string) error {
	log, err := os.OpenFile(n.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log of node %d: %w", n.id, err)
	}
	defer log.Close()
	if info, err := log.Stat(); err == nil {
		n.from = info.Size()
	}
	cmd := in.command(n.root, n.heap, n.main...)
	cmd.Stdout, cmd.Stderr = log, log
	if out != "" {
		file, err := os.OpenFile(out, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("opening the output of node %d: %w", n.id, err)
		}
		defer file.Close()
		cmd.Stdout = file
	}
	if n.proc, err = spawn(cmd); err != nil {
		return fmt.Errorf("starting java: %w", err)
	}
	return nil
}

// command is a java command line that starts quickly: no second compiler, no
// collector threads, and no more heap than asked for.
func (in *Install) command(dir, heap string, args ...string) *exec.Cmd {
	all := []string{
		"-Xmx" + heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true",
		"-Dlog4j.configuration=file:" + filepath.Join(dir, log4jFile), "-Dkafka.logs.dir=" + dir,
		"-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
	}
	if in.Config != "" {
		all = append(all, "-Dlog4j2.configurationFile="+filepath.Join(in.Config, "log4j2.yaml"))
	}
	all = append(all, "-cp", in.classPath())
	cmd := exec.Command(in.Java, append(all, args...)...) //nolint:noctx // its life is the cluster's, ended by kill
	cmd.Dir = dir
	return cmd
}

const log4jFile = "log4j.properties"

// writeLog4j sends the log of the 3.x line to stderr, as the others' goes.
func writeLog4j(dir, level string) error {
	return writeProperties(filepath.Join(dir, log4jFile), map[string]string{
		"log4j.rootLogger":                               level + ", stderr",
		"log4j.appender.stderr":                          "org.apache.log4j.ConsoleAppender",
		"log4j.appender.stderr.target":                   "System.err",
		"log4j.appender.stderr.layout":                   "org.apache.log4j.PatternLayout",
		"log4j.appender.stderr.layout.ConversionPattern": "%d{HH:mm:ss.SSS} %p %m (%c)%n",
	})
}

// lost explains a process that has ended: whether a port was the reason.
func (n *node) lost() error {
	tail := n.logTail(manyLines)
	if strings.Contains(tail, "Address already in use") || strings.Contains(tail, "BindException") {
		return fmt.Errorf("node %d: %w", n.id, errPortTaken)
	}
	return fmt.Errorf("node %d ended (%w); the end of its log:\n%s", n.id, n.proc.err, lastLines(withoutInfo(tail), tailLines))
}

// withoutInfo leaves out the log of an orderly shutdown, which hides its reason.
func withoutInfo(log string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if !strings.Contains(line, " INFO ") {
			b.WriteString(line)
		}
	}
	return b.String()
}
