package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// fetchTimeout bounds one run of Maven: seconds where the registry is near.
const fetchTimeout = 5 * time.Minute

// copyDependencies is pinned: Maven's own default differs from release to release.
const copyDependencies = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

// bundle is a folder of jars that Maven fills.
type bundle struct {
	// title is what the jars are, in messages, and folder their place in the cache.
	title, folder string
	// deps are what Maven is asked for: group:artifact:version.
	deps []string
	// mark is the jar without which the folder is not complete.
	mark string
}

func (b *bundle) in(libs string) bool {
	_, err := os.Stat(filepath.Join(libs, b.mark))
	return err == nil
}

// fetched returns the folder with the jars of a bundle in the user's cache,
// after Maven has put them there if need be. The folder appears by one rename,
// so that whoever sees it sees all of it, and under a lock that processes
// share, because two Mavens must not fill one local repository at once.
func fetched(b *bundle) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the user's cache folder: %w", err)
	}
	root := filepath.Join(cache, "kferry", "kafka")
	libs := filepath.Join(root, b.folder)
	if b.in(libs) {
		return libs, nil
	}
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return "", &MissingError{Part: "mvn", Hint: "install Maven, which fetches the jars of Apache Kafka, or set KAFKA_HOME"}
	}
	if err := os.MkdirAll(root, 0o750); err != nil {
		return "", fmt.Errorf("making the cache folder: %w", err)
	}
	unlock, err := lockFile(filepath.Join(root, "lock"))
	if err != nil {
		return "", fmt.Errorf("locking the cache folder: %w", err)
	}
	defer unlock()
	if b.in(libs) {
		return libs, nil
	}
	if err := fetch(mvn, root, libs, b); err != nil {
		return "", &MissingError{
			Part: b.title, Err: err,
			Hint: "Maven could not fetch its jars; set KAFKA_HOME to an unpacked one",
		}
	}
	return libs, nil
}

func fetch(mvn, root, libs string, b *bundle) error {
	work, err := os.MkdirTemp(root, "fetching-")
	if err != nil {
		return fmt.Errorf("making a folder to fetch into: %w", err)
	}
	defer os.RemoveAll(work)
	pom := filepath.Join(work, "pom.xml")
	if err := os.WriteFile(pom, []byte(pomOf(b.deps)), 0o600); err != nil {
		return fmt.Errorf("writing the pom: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	got := filepath.Join(work, "libs")
	cmd := exec.CommandContext(ctx, mvn, "--batch-mode", "--quiet", "-f", pom, copyDependencies, "-DoutputDirectory="+got)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running Maven: %w: %s", err, lastLines(string(out), 5))
	}
	if !b.in(got) {
		return errors.New("maven ended well, but the jars are not there")
	}
	if err := os.RemoveAll(libs); err != nil {
		return fmt.Errorf("removing an incomplete folder: %w", err)
	}
	if err := os.Rename(got, libs); err != nil {
		return fmt.Errorf("putting the jars in place: %w", err)
	}
	return nil
}

// kafkaJars are what a broker, the tools and MirrorMaker 2 of one version need.
// Kafka leaves the choice of a log writer to its distribution: 3.x brings one
// with its tools, the others get the simple one that writes to stderr.
func kafkaJars(version string) *bundle {
	deps := []string{"org.apache.kafka:kafka_2.13:" + version}
	if atLeast(version, 3, 0) {
		for _, artifact := range []string{"kafka-tools", "connect-mirror", "connect-runtime"} {
			deps = append(deps, "org.apache.kafka:"+artifact+":"+version)
		}
	}
	if atLeast(version, 4, 0) || !atLeast(version, 3, 0) {
		deps = append(deps, simpleLog)
	}
	return &bundle{title: "Apache Kafka " + version, folder: version, deps: deps, mark: "kafka-clients-" + version + ".jar"}
}

// streamsJars are Kafka Streams with its examples and RocksDB, about 95 MB: a
// folder of its own, because nothing else needs them.
func streamsJars(version string) *bundle {
	return &bundle{
		title: "Kafka Streams " + version, folder: "streams-" + version,
		deps: []string{"org.apache.kafka:kafka-streams-examples:" + version, simpleLog},
		mark: "kafka-streams-examples-" + version + ".jar",
	}
}

const simpleLog = "org.slf4j:slf4j-simple:1.7.36"

func pomOf(deps []string) string {
	var b strings.Builder
	b.WriteString("<project><modelVersion>4.0.0</modelVersion><groupId>kferry</groupId><artifactId>kafkatest</artifactId>")
	b.WriteString("<version>1</version><packaging>pom</packaging><dependencies>\n")
	for _, dep := range deps {
		p := strings.Split(dep, ":")
		fmt.Fprintf(&b, "<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>\n", p[0], p[1], p[2])
	}
	b.WriteString("</dependencies></project>\n")
	return b.String()
}
