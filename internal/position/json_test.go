package position_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kferry/kferry/internal/position"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	odd := at("g", "t", 1, 2)
	odd.Metadata, odd.LeaderEpoch = "\xff", 7
	set, err := position.NewSet(at("order-processor", "orders-prod", 0, 103), odd)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	from := position.Origin{Cluster: "prod", ClusterID: "abc", At: noon}
	if err := position.WriteJSON(&b, set, from); err != nil {
		t.Fatal(err)
	}
	want := `{"format":"kferry.positions","version":1,"cluster":"prod","cluster_id":"abc","at":"2026-03-01T12:00:00Z","positions":[
{"group":"g","topic":"t","partition":1,"offset":2,"leader_epoch":7,"metadata_base64":"/w=="},
{"group":"order-processor","topic":"orders-prod","partition":0,"offset":103,"leader_epoch":-1}
]}
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	back, origin, err := position.ReadJSON(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(set.All(), back.All()); diff != "" {
		t.Error(diff)
	}
	from.Format = position.FormatJSON
	if diff := cmp.Diff(from, origin); diff != "" {
		t.Error(diff)
	}
}

func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		set := genSet("", true).Draw(t, "set")
		var b strings.Builder
		if err := position.WriteJSON(&b, set, position.Origin{}); err != nil {
			t.Fatal(err)
		}
		back, _, err := position.ReadJSON(strings.NewReader(b.String()))
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		if diff := cmp.Diff(set.All(), back.All()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestReadJSONRefuses(t *testing.T) {
	t.Parallel()
	const head = `{"format":"kferry.positions","version":1,"positions":[`
	for name, tc := range map[string]struct{ in, want string }{
		"empty":             {``, "unexpected EOF"},
		"cut":               {head + "\n" + `{"group":"g"`, "line 2, positions[0]: the file ends in the middle (unexpected EOF)"},
		"another format":    {`{"format":"kferry.plan","version":1,"positions":[]}`, `format: "kferry.plan" is not "kferry.positions"`},
		"no format":         {`{"positions":[]}`, "format:"},
		"newer version":     {`{"format":"kferry.positions","version":2,"positions":[]}`, "version: 2 is not known"},
		"no positions":      {`{"format":"kferry.positions","version":1}`, "positions: is missing"},
		"offset missing":    {head + `{"group":"g","topic":"t","partition":0}]}`, "positions[0]: group, topic, partition and offset are needed"},
		"offset null":       {head + `{"group":"g","topic":"t","partition":0,"offset":null}]}`, "positions[0]: group, topic"},
		"offset misspelt":   {head + `{"group":"g","topic":"t","partition":0,"Offset":5}]}`, "positions[0]: group, topic"},
		"offset fraction":   {head + `{"group":"g","topic":"t","partition":0,"offset":5.5}]}`, "positions[0].offset:"},
		"offset overflows":  {head + `{"group":"g","topic":"t","partition":0,"offset":9223372036854775808}]}`, "positions[0].offset:"},
		"offset text":       {head + `{"group":"g","topic":"t","partition":0,"offset":"5"}]}`, "positions[0].offset:"},
		"offset twice":      {head + `{"group":"g","topic":"t","partition":0,"offset":5,"offset":6}]}`, `key "offset" is there twice`},
		"negative":          {head + `{"group":"g","topic":"t","partition":0,"offset":-1}]}`, "offset -1 is negative"},
		"partition too big": {head + `{"group":"g","topic":"t","partition":2147483648,"offset":1}]}`, "positions[0].partition:"},
		"duplicate":         {head + `{"group":"g","topic":"t","partition":0,"offset":1},{"group":"g","topic":"t","partition":0,"offset":1}]}`, "positions[1]: position \"g\" t/0 is positions[0] already"},
		"not base64":        {head + `{"group":"g","topic":"t","partition":0,"offset":1,"metadata_base64":"%"}]}`, "positions[0].metadata_base64:"},
		"not UTF-8":         {head + `{"group":"g` + "\xff" + `","topic":"t","partition":0,"offset":1}]}`, "positions[0].group: is not UTF-8"},
		"half a surrogate":  {head + `{"group":"g\ud800","topic":"t","partition":0,"offset":1}]}`, "positions[0].group: is not UTF-8"},
		"something after":   {head + `]} {}`, "something follows the end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, _, err := position.ReadJSON(strings.NewReader(tc.in))
			if set != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, %v; want %q", set, err, tc.want)
			}
		})
	}
}

func FuzzReadJSON(f *testing.F) {
	f.Add(`{"format":"kferry.positions","version":1,"positions":[{"group":"g","topic":"t","partition":0,"offset":1,"leader_epoch":3,"metadata":"m","x":[{}]}]}`)
	f.Add(`{"format":"kferry.positions","version":1,"positions":[{"group":"g","topic":"t","partition":0,"offset":1,"metadata_base64":"/w=="}]}`)
	f.Fuzz(func(t *testing.T, in string) {
		set, _, err := position.ReadJSON(strings.NewReader(in))
		if err != nil {
			return
		}
		var b strings.Builder
		if err := position.WriteJSON(&b, set, position.Origin{}); err != nil {
			t.Fatal(err)
		}
		back, _, err := position.ReadJSON(strings.NewReader(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(set.All(), back.All()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWriteKmap(t *testing.T) {
	t.Parallel()
	set, err := position.NewSet(at("app", "orders", 1, 7), at("app", "orders", 0, 12345), at("app", "a<b", 0, 1), at("z", "t", 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := position.WriteKmap(&b, set, position.Origin{Cluster: "prod", At: noon}); err != nil {
		t.Fatal(err)
	}
	want := `{"timestamp":"2026-03-01T12:00:00Z","cluster":"prod","consumer_groups":[
		{"group":"app","topics":{"a<b":[{"partition":0,"offset":1}],"orders":[{"partition":0,"offset":12345},{"partition":1,"offset":7}]},"timestamp":"2026-03-01T12:00:00Z"},
		{"group":"z","topics":{"t":[{"partition":0,"offset":0}]},"timestamp":"2026-03-01T12:00:00Z"}]}`
	strip := strings.NewReplacer("\n", "", "\t", "", " ", "")
	if diff := cmp.Diff(strip.Replace(want), strip.Replace(b.String())); diff != "" {
		t.Error(diff)
	}
	b.Reset()
	if err := position.WriteKmap(&b, nil, position.Origin{}); err != nil || !strings.Contains(b.String(), `"consumer_groups": []`) {
		t.Errorf("got %v, %s", err, b.String())
	}
}
