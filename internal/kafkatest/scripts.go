package kafkatest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// scriptPart is what the command-line tools of Kafka's distribution are: a
// script that starts java. The fetched jars come without them.
const scriptPart = "#!/bin/sh\nexec %s -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto " +
	"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dlog4j.configuration=file:%s -cp '%s' %s \"$@\"\n"

// Home returns a folder that scripts can take for KAFKA_HOME: its bin has the
// named tools as commands (bin/kafka-topics.sh for "kafka-topics"), which run
// the classes of the cluster's own version. Tools that this version does not
// have are left out, as in its distribution. It lasts as long as the test.
func (k *Kafka) Home(t testing.TB, names ...string) string {
	t.Helper()
	in := k.install
	if in == nil {
		in = find(t, k.Version)
	}
	home := t.TempDir()
	bin := filepath.Join(home, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatalf("making the folder of Kafka's tools: %v", err)
	}
	if err := writeLog4j(home, "WARN"); err != nil {
		t.Fatalf("making the folder of Kafka's tools: %v", err)
	}
	for _, name := range names {
		if len(tools[name]) == 0 {
			t.Fatalf("%s is no tool of Kafka's that is known here", name)
		}
		class, err := in.class(tools[name]...)
		if err != nil {
			continue
		}
		text := fmt.Sprintf(scriptPart, in.Java, filepath.Join(home, log4jFile), strings.ReplaceAll(in.classPath(), "'", `'\''`), class)
		if err := os.WriteFile(filepath.Join(bin, name+".sh"), []byte(text), 0o700); err != nil {
			t.Fatalf("making the command %s: %v", name, err)
		}
	}
	return home
}
