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

// fetched returns the folder with the jars of a version in the user's cache,
// after Maven has put them there if need be. The folder appears by one rename,
// so that whoever sees it sees all of it, and under a lock that processes
// share, because two Mavens must not fill one local repository at once.
func fetched(version string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the user's cache folder: %w", err)
	}
	root := filepath.Join(cache, "kferry", "kafka")
	in := &Install{Version: version, Libs: filepath.Join(root, version)}
	if in.complete() {
		return in.Libs, nil
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
	if in.complete() {
		return in.Libs, nil
	}
	if err := fetch(mvn, root, in); err != nil {
		return "", &MissingError{
			Part: "Apache Kafka " + version, Err: err,
			Hint: "Maven could not fetch its jars; set KAFKA_HOME to an unpacked one",
		}
	}
	return in.Libs, nil
}

func fetch(mvn, root string, in *Install) error {
	work, err := os.MkdirTemp(root, "fetching-")
	if err != nil {
		return fmt.Errorf("making a folder to fetch into: %w", err)
	}
	defer os.RemoveAll(work)
	pom := filepath.Join(work, "pom.xml")
	if err := os.WriteFile(pom, []byte(pomOf(in.Version)), 0o600); err != nil {
		return fmt.Errorf("writing the pom: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	libs := filepath.Join(work, "libs")
	cmd := exec.CommandContext(ctx, mvn, "--batch-mode", "--quiet", "-f", pom, copyDependencies, "-DoutputDirectory="+libs)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running Maven: %w: %s", err, lastLines(string(out), 5))
	}
	if !(&Install{Version: in.Version, Libs: libs}).complete() {
		return errors.New("maven ended well, but the jars are not there")
	}
	if err := os.RemoveAll(in.Libs); err != nil {
		return fmt.Errorf("removing an incomplete folder: %w", err)
	}
	if err := os.Rename(libs, in.Libs); err != nil {
		return fmt.Errorf("putting the jars in place: %w", err)
	}
	return nil
}

// pomOf names what a broker, the tools and MirrorMaker 2 of one version need.
// Kafka leaves the choice of a log writer to its distribution: 3.x brings one
// with its tools, the others get the simple one that writes to stderr.
func pomOf(version string) string {
	deps := []string{"org.apache.kafka:kafka_2.13:" + version}
	if atLeast(version, 3, 0) {
		for _, artifact := range []string{"kafka-tools", "connect-mirror", "connect-runtime"} {
			deps = append(deps, "org.apache.kafka:"+artifact+":"+version)
		}
	}
	if atLeast(version, 4, 0) || !atLeast(version, 3, 0) {
		deps = append(deps, "org.slf4j:slf4j-simple:1.7.36")
	}
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
