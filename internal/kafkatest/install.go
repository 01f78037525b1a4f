package kafkatest

import (
	"archive/zip"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Install is one version of Apache Kafka on this machine: a folder of jars.
type Install struct {
	// Version is Kafka's own, such as "4.3.1".
	Version string
	// Libs is the folder that holds the jars.
	Libs string
	// Config is the config folder of a distribution, empty for fetched jars.
	Config string
	// Java is the java command to run it with.
	Java string
}

// MissingError says which part a real Kafka lacks on this machine.
type MissingError struct {
	// Part is "java", "mvn" or the jars of a version.
	Part string
	// Err is why, may be nil.
	Err error
	// Hint is what to do about it.
	Hint string
}

// Error is a clause that follows "not run, because".
func (e *MissingError) Error() string {
	s := e.Part + " was not found"
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s + " (" + e.Hint + ")"
}

// Unwrap returns the cause.
func (e *MissingError) Unwrap() error { return e.Err }

// Find returns the installation of a version, fetching its jars where it must.
// The error is a [*MissingError] where a part of it is not on this machine and
// cannot be had. Safe for concurrent use, by several processes too.
func Find(version string) (*Install, error) { return findJars(version, kafkaJars(version)) }

// FindStreams is Find for Kafka Streams and the examples that come with it.
func FindStreams(version string) (*Install, error) { return findJars(version, streamsJars(version)) }

func findJars(version string, b *bundle) (*Install, error) {
	if _, err := parseVersion(version); err != nil {
		return nil, err
	}
	java, err := findJava()
	if err != nil {
		return nil, err
	}
	if home := os.Getenv("KAFKA_HOME"); home != "" {
		in := &Install{Version: version, Java: java, Libs: filepath.Join(home, "libs"), Config: filepath.Join(home, "config")}
		if b.in(in.Libs) {
			return in, nil
		}
	}
	libs, err := fetched(b)
	if err != nil {
		return nil, err
	}
	return &Install{Version: version, Java: java, Libs: libs}, nil
}

func findJava() (string, error) {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		java := filepath.Join(home, "bin", "java")
		if _, err := os.Stat(java); err == nil {
			return java, nil
		}
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return "", &MissingError{Part: "java", Hint: "install a Java runtime, 17 or newer, or set JAVA_HOME"}
	}
	return java, nil
}

// classPath ends in a star that java itself expands to all jars.
func (in *Install) classPath() string { return filepath.Join(in.Libs, "*") }

// kraft reports whether brokers of this version run without ZooKeeper.
func (in *Install) kraft() bool { return atLeast(in.Version, 3, 3) }

// class returns the first of the candidates that the jars of Kafka have: tools
// moved from kafka.admin and kafka.tools to org.apache.kafka.tools one release
// after the other (KIP-906, KAFKA-14525).
func (in *Install) class(candidates ...string) (string, error) {
	classes, err := classesOf(in.Libs)
	if err != nil {
		return "", err
	}
	for _, c := range candidates {
		if classes[c] {
			return c, nil
		}
	}
	return "", fmt.Errorf("kafka %s has none of the classes %s", in.Version, strings.Join(candidates, ", "))
}

// classes remembers what the jars of a folder hold: a jar never changes, and
// reading the folder again for each tool that a test runs would be waste.
var classes sync.Map // libs folder → func() (map[string]bool, error)

func classesOf(libs string) (map[string]bool, error) {
	read, _ := classes.LoadOrStore(libs, sync.OnceValues(func() (map[string]bool, error) {
		jars, err := filepath.Glob(filepath.Join(libs, "*.jar"))
		if err != nil {
			return nil, fmt.Errorf("listing jars: %w", err)
		}
		jars = slices.DeleteFunc(jars, func(jar string) bool {
			name := filepath.Base(jar)
			return !strings.HasPrefix(name, "kafka") && !strings.HasPrefix(name, "connect-")
		})
		found := make(map[string]bool, 8192)
		for _, jar := range jars {
			if err := addClasses(found, jar); err != nil {
				return nil, err
			}
		}
		return found, nil
	}))
	return read.(func() (map[string]bool, error))()
}

func addClasses(found map[string]bool, jar string) error {
	z, err := zip.OpenReader(jar)
	if err != nil {
		return fmt.Errorf("reading %s: %w", filepath.Base(jar), err)
	}
	defer z.Close()
	for _, f := range z.File {
		if name, ok := strings.CutSuffix(f.Name, ".class"); ok {
			found[strings.ReplaceAll(name, "/", ".")] = true
		}
	}
	return nil
}

// parseVersion reads "4.3.1" as numbers.
func parseVersion(version string) ([3]int, error) {
	var v [3]int
	parts := strings.Split(version, ".")
	if len(parts) != len(v) {
		return v, fmt.Errorf("kafka version %q: want three numbers such as %s", version, Newest)
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 {
			return v, fmt.Errorf("kafka version %q: %w", version, errors.Join(errors.New("want three numbers such as "+Newest), err))
		}
		v[i] = n
	}
	return v, nil
}

// atLeast compares the first two numbers of a version that Find has accepted.
func atLeast(version string, major, minor int) bool {
	v, err := parseVersion(version)
	return err == nil && (v[0] > major || v[0] == major && v[1] >= minor)
}
