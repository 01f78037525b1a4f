package cli

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/api"
)

// flagsFill is what a command line makes of a migration.
func flagsFill(t *testing.T, m api.Migration, args ...string) (api.Migration, error) {
	t.Helper()
	o := &migrationFlags{}
	f := newFactory(&Streams{})
	cmd := newMigrationCreateCmd(f)
	cmd.ResetFlags()
	o.add(f, cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	err := o.fill(cmd.Flags(), cmd.Flags().Args(), &m)
	return m, err
}

// all are flags for every field.
func all(t *testing.T) []string {
	t.Helper()
	return []string{
		"shop", "--from", "old", "--to", "new", "-g", "a*", "--group-regex", "b.*", "--exclude-group", "c", "-t", "d", "--topic-regex", "e",
		"--exclude-topic", "f", "--partition", "d:0", "--map-topic", `x\=y=z`, "--map-group", "g*=h*", "--mover", "k2k",
		"--evidence", "header", "-H", "h:int64be", "--mm2-alias", "al", "--mm2-syncs", "source:s", "--quick", "--copy-complete",
		"--accept-repeats", "--accept-loss", "--accept-rewind", "--accept-partial-group", "--accept-overwrite",
		"--settle", "0", "--interval", "3s", "--timeout", "4s", "--keep-offsets", "5h",
		"--on", `stopping,moved=./deploy "my app"`, "--webhook", "*=https://a/b", "--webhook-token-file", "token",
		"--event-timeout", "6s", "--event-failure", "continue",
	}
}

// Every field of a migration is also a flag.
func TestEveryFieldIsAFlag(t *testing.T) {
	t.Parallel()
	got, err := flagsFill(t, api.Migration{}, all(t)...)
	if err != nil {
		t.Fatal(err)
	}
	for v, i := reflect.ValueOf(got), 0; i < v.NumField(); i++ {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "APIVersion" && name != "Kind" {
			t.Errorf("no flag has set %s", name)
		}
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	none := api.Duration(0)
	want := api.Migration{
		Name: "shop", From: "old", To: "new", Groups: []string{"a*"}, GroupRegex: []string{"b.*"}, ExcludeGroups: []string{"c"},
		Topics: []string{"d"}, TopicRegex: []string{"e"}, ExcludeTopics: []string{"f"}, Partitions: []string{"d:0"},
		MapTopics: []api.NameMap{{From: `x\=y`, To: "z"}}, MapGroups: []api.NameMap{{From: "g*", To: "h*"}},
		Mover: api.MoverK2K, Evidence: "header", Header: "h", Encoding: "int64be",
		MirrorMaker: &api.MirrorMaker{Alias: "al", Syncs: []string{"source:s"}}, Quick: true, CopyComplete: true,
		Accept: []string{api.AcceptRepeats, api.AcceptLoss, api.AcceptRewind, api.AcceptPartialGroup, api.AcceptOverwrite},
		Settle: &none, Interval: api.Duration(3 * time.Second), Timeout: api.Duration(4 * time.Second), KeepOffsets: api.Duration(5 * time.Hour),
		Events: []api.Event{
			{On: []string{"stopping", "moved"}, Command: []string{filepath.Join(here, "deploy"), "my app"}, Timeout: api.Duration(6 * time.Second), OnFailure: "continue"},
			{On: []string{"*"}, Webhook: &api.Webhook{URL: "https://a/b", TokenFrom: &api.SecretRef{File: filepath.Join(here, "token")}}, Timeout: api.Duration(6 * time.Second), OnFailure: "continue"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the migration of all flags (-want +got):\n%s", diff)
	}
}

// What no flag gives stays as a file has it, and what one gives stands in its
// place.
func TestFlagsStandOverTheFile(t *testing.T) {
	t.Parallel()
	file, err := flagsFill(t, api.Migration{}, all(t)...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := flagsFill(t, file.Clone())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(file, got); diff != "" {
		t.Errorf("no flag at all changes (-file +got):\n%s", diff)
	}
	got, err = flagsFill(t, file.Clone(), "--accept-loss=false", "-g", "only", "--mm2-alias", "other", "--event-timeout", "1m", "--quick=false")
	if err != nil {
		t.Fatal(err)
	}
	want := file.Clone()
	want.Groups, want.MirrorMaker.Alias, want.Quick = []string{"only"}, "other", false
	want.Accept = []string{api.AcceptRepeats, api.AcceptRewind, api.AcceptPartialGroup, api.AcceptOverwrite}
	for i := range want.Events {
		want.Events[i].Timeout = api.Duration(time.Minute)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flags over a file (-want +got):\n%s", diff)
	}
}

func TestRoutesThatAMigrationCannotTake(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ file, want string }{
		"split":       {"from: shop\ngroups:\n  - {to: a, topics: [orders]}\n", "splits a group"},
		"some topics": {"groups:\n  - {from: shop, to: a, topics: [orders]}\n", "takes some of its topics only"},
		"leave":       {"leave: [orders]\n", "--exclude-topic"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "route.yaml")
			if err := os.WriteFile(path, []byte(tc.file), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := flagsFill(t, api.Migration{}, "shop", "--route", path)
			if _, ok := errors.AsType[*usageError](err); !ok || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one of usage with %q", err, tc.want)
			}
		})
	}
}
