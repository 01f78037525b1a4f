package kafkatest

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseGroupRows(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		out  string
		want []GroupRow
		err  string
	}{
		"without members": {
			out: "\nConsumer group 'g' has no active members.\n\nGROUP  TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID\ng t 1 - 7 - - - -\ng t 0 3 5 2 - - -\n",
			want: []GroupRow{
				{Group: "g", Topic: "t", Current: 3, End: 5, Lag: 2},
				{Group: "g", Topic: "t", Partition: 1, Current: -1, End: 7, Lag: -1},
			},
		},
		"with a member": {
			out:  "GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID\ng t 0 3 5 2 id-1 /127.0.0.1 app\n",
			want: []GroupRow{{Group: "g", Topic: "t", Current: 3, End: 5, Lag: 2, Consumer: "id-1", Host: "/127.0.0.1", Client: "app"}},
		},
		"no group":      {out: "Error: Consumer group 'g' does not exist.\n"},
		"a short line":  {out: "GROUP CURRENT-OFFSET LAG\ng 1\n", err: "2 fields under 3 headings"},
		"not an offset": {out: "GROUP CURRENT-OFFSET LAG\ng one 1\n", err: "invalid syntax"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseGroupRows(tc.out)
			wantError(t, err, tc.err)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRecords(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		out  string
		want []Record
		err  string
	}{
		"nothing":         {out: ""},
		"nulls and lines": {out: "Partition:2\x01Offset:9\x01\x03\x01a\n\tb\x02", want: []Record{{Partition: 2, Offset: 9, NullKey: true, Value: "a\n\tb"}}},
		"too few fields":  {out: "Partition:2\x01Offset:9\x01v\x02", err: "3 fields"},
		"other order":     {out: "Offset:9\x01Partition:2\x01k\x01v\x02", err: "does not begin with Partition:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseRecords(tc.out)
			wantError(t, err, tc.err)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"4.3.1": "", "2.7.2": "", "4.3": "want three numbers", "a.b.c": "want three numbers", "4.3.1/..": "want three numbers", "4.-3.1": "want three numbers",
	} {
		_, err := parseVersion(version)
		wantError(t, err, want)
	}
	if atLeast("3.2.9", 3, 3) || !atLeast("3.3.0", 3, 3) || !atLeast("4.0.0", 3, 3) {
		t.Error("versions are not compared number by number")
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("no error, want one with %q", want)
	case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
		t.Errorf("error %q, want %q", err, want)
	}
}

// What is missing is named, with what to do about it.
func TestFindSaysWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("JAVA_HOME", "")
	t.Setenv("KAFKA_HOME", "")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := Find(Newest)
	var part *MissingError
	if !errors.As(err, &part) || part.Part != "java" {
		t.Errorf("without java: %v", err)
	}
	home := t.TempDir()
	touch(t, filepath.Join(home, "bin", "java"))
	t.Setenv("JAVA_HOME", home)
	if _, err = Find(Newest); !errors.As(err, &part) || part.Part != "mvn" {
		t.Errorf("without Maven: %v", err)
	}
	touch(t, filepath.Join(home, "libs", "kafka-clients-"+Newest+".jar"))
	t.Setenv("KAFKA_HOME", home)
	in, err := Find(Newest)
	if err != nil || in.Libs != filepath.Join(home, "libs") {
		t.Errorf("with KAFKA_HOME: %+v, %v", in, err)
	}
	if _, err = Find(Previous); !errors.As(err, &part) || part.Part != "mvn" {
		t.Errorf("KAFKA_HOME has another version: %v", err)
	}
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A port that somebody else has taken is told from every other reason to end.
func TestLostToAnotherProcess(t *testing.T) {
	t.Parallel()
	for log, taken := range map[string]bool{
		"java.net.BindException: Address already in use":   true,
		"Exiting Kafka due to fatal exception: bad config": false,
	} {
		n := &node{id: 1, root: t.TempDir(), proc: &process{err: errors.New("exit status 1")}}
		if err := os.WriteFile(n.log(), []byte(log), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := n.lost(); errors.Is(err, errPortTaken) != taken {
			t.Errorf("%q: %v", log, err)
		}
	}
}

func TestFreePortsAreDistinctAndFree(t *testing.T) {
	t.Parallel()
	ports, err := freePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range ports {
		if seen[p] || p < firstPort || p >= pastPort {
			t.Errorf("port %d: twice, or out of range", p)
		}
		seen[p] = true
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p})
		if err != nil {
			t.Errorf("port %d is not free: %v", p, err)
			continue
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
