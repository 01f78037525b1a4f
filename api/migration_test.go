package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/api"
)

func good() api.Migration {
	return api.Migration{Name: "orders", From: "old", To: "new", Groups: []string{"orders-app"}}
}

func paths(ps []api.Problem) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Path)
	}
	return out
}

func duration(d time.Duration) *api.Duration { return new(api.Duration(d)) }

func command(on string) api.Event { return api.Event{On: []string{on}, Command: []string{"true"}} }

func hook(url string) api.Event {
	return api.Event{On: []string{"moved"}, Webhook: &api.Webhook{URL: url}}
}

func TestMigrationValidate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*api.Migration)
		want   []string // paths
	}{
		"good":                    {func(*api.Migration) {}, nil},
		"nothing":                 {func(m *api.Migration) { *m = api.Migration{} }, []string{"name", "from", "to", "groups"}},
		"kind of another file":    {func(m *api.Migration) { m.Kind = "Fleet" }, []string{"kind"}},
		"version of tomorrow":     {func(m *api.Migration) { m.APIVersion = "kferry/v2" }, []string{"apiVersion"}},
		"name that is a path":     {func(m *api.Migration) { m.Name = "../x" }, []string{"name"}},
		"addresses":               {func(m *api.Migration) { m.From, m.To = "a:1,b:2", "[::1]:9092" }, nil},
		"address without a port":  {func(m *api.Migration) { m.From = "a:1,b" }, []string{"from"}},
		"cluster that is no name": {func(m *api.Migration) { m.To = "a b" }, []string{"to"}},
		"to itself":               {func(m *api.Migration) { m.To = m.From }, []string{"to"}},
		"everything, written":     {func(m *api.Migration) { m.Groups = []string{"*"} }, nil},
		"by expression":           {func(m *api.Migration) { m.Groups, m.GroupRegex = nil, []string{"a.*"} }, nil},
		"only an exclusion":       {func(m *api.Migration) { m.Groups, m.ExcludeGroups = nil, []string{"a"} }, []string{"groups"}},
		"empty patterns": {func(m *api.Migration) {
			m.Groups, m.TopicRegex, m.Partitions = []string{""}, []string{""}, []string{""}
		}, []string{"groups[0]", "topicRegex[0]", "partitions[0]"}},
		"names without another side": {func(m *api.Migration) {
			m.MapTopics, m.MapGroups = []api.NameMap{{From: "a"}}, []api.NameMap{{To: "b"}}
		}, []string{"mapTopics[0].to", "mapGroups[0].from"}},
		"unknown mover":               {func(m *api.Migration) { m.Mover = "mirrormaker3" }, []string{"mover"}},
		"mover and its evidence":      {func(m *api.Migration) { m.Mover, m.Evidence = api.MoverMirrorMaker2, "mm2" }, nil},
		"mover and other evidence":    {func(m *api.Migration) { m.Mover, m.Evidence = api.MoverMirrorMaker2, "content" }, []string{"evidence"}},
		"mover and evidence auto":     {func(m *api.Migration) { m.Mover, m.Evidence = api.MoverK2K, "auto" }, []string{"evidence"}},
		"mover with a header renamed": {func(m *api.Migration) { m.Mover, m.Header, m.Encoding = api.MoverK2K, "from_offset", "int64be" }, nil},
		"mover without headers":       {func(m *api.Migration) { m.Mover, m.Header = api.MoverNone, "x" }, []string{"header"}},
		"evidence without headers":    {func(m *api.Migration) { m.Evidence, m.Header = "identity", "x" }, []string{"header"}},
		"unknown evidence, header":    {func(m *api.Migration) { m.Evidence, m.Header = "headers", "x" }, []string{"evidence"}},
		"header":                      {func(m *api.Migration) { m.Header = "a:b" }, nil},
		"header as the flag has it":   {func(m *api.Migration) { m.Header = "x:decimal" }, []string{"header"}},
		"encoding of a mover":         {func(m *api.Migration) { m.Mover, m.Encoding = api.MoverArmory, "decimal" }, nil},
		"encoding of nothing":         {func(m *api.Migration) { m.Encoding = "decimal" }, []string{"encoding"}},
		"encoding of no header":       {func(m *api.Migration) { m.Mover, m.Encoding = api.MoverMirrorMaker2, "decimal" }, []string{"encoding"}},
		"unknown encoding":            {func(m *api.Migration) { m.Header, m.Encoding = "x", "auto" }, []string{"encoding"}},
		"syncs": {func(m *api.Migration) {
			m.MirrorMaker = &api.MirrorMaker{Syncs: []string{"source:a", "target:", "b", "here:c"}}
		}, []string{"mirrorMaker.syncs[1]", "mirrorMaker.syncs[2]", "mirrorMaker.syncs[3]"}},
		"accept":                   {func(m *api.Migration) { m.Accept = []string{"repeats", "loss", "rewind", "partial-group", "overwrite"} }, nil},
		"accept what is not known": {func(m *api.Migration) { m.Accept = []string{"all", "active-source"} }, []string{"accept[0]", "accept[1]"}},
		"times": {func(m *api.Migration) {
			m.Settle, m.Interval, m.Timeout, m.KeepOffsets = duration(0), 1, 0, api.Duration(time.Hour)
		}, nil},
		"times that are none":          {func(m *api.Migration) { m.Settle, m.Interval, m.Timeout, m.KeepOffsets = duration(-1), -1, -1, -1 }, []string{"settle", "interval", "timeout", "keepOffsets"}},
		"keeping for less than can be": {func(m *api.Migration) { m.KeepOffsets = 1 }, []string{"keepOffsets"}},
		"events": {func(m *api.Migration) {
			m.Events = []api.Event{command("*"), command("failing-back"), hook("http://a/b?app=c")}
		}, nil},
		"event that never comes":  {func(m *api.Migration) { m.Events = []api.Event{{Command: []string{"a"}}, command("stoped")} }, []string{"events[0].on", "events[1].on[0]"}},
		"event that calls nobody": {func(m *api.Migration) { m.Events = []api.Event{{On: []string{"moved"}}} }, []string{"events[0]"}},
		"event that calls two": {func(m *api.Migration) {
			e := hook("https://a")
			e.Command = []string{"a"}
			m.Events = []api.Event{e}
		}, []string{"events[0].webhook"}},
		"event without an end": {func(m *api.Migration) {
			e := command("moved")
			e.Timeout, e.OnFailure = -1, "ignore"
			m.Events = []api.Event{e}
		}, []string{"events[0].timeout", "events[0].onFailure"}},
		"program without a name": {func(m *api.Migration) {
			m.Events = []api.Event{{On: []string{"moved"}, Command: []string{"", "a\x00"}}}
		}, []string{"events[0].command[0]", "events[0].command[1]"}},
		"token from nowhere": {func(m *api.Migration) {
			e := hook("https://a")
			e.Webhook.TokenFrom = &api.SecretRef{}
			m.Events = []api.Event{e}
		}, []string{"events[0].webhook.tokenFrom"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := good()
			tc.change(&m)
			m.SetDefaults()
			if diff := cmp.Diff(tc.want, paths(m.Validate())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMigrationHints(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*api.Migration)
		want   string
	}{
		"mover by another name":  {func(m *api.Migration) { m.Mover = "MM2" }, "did you mean mirrormaker2?"},
		"mover that is misspelt": {func(m *api.Migration) { m.Mover = "Kafka_Backup" }, "did you mean kafka-backup?"},
		"mover cut short":        {func(m *api.Migration) { m.Mover = "redpanda-migrat" }, "did you mean redpanda-migrator?"},
		"active source":          {func(m *api.Migration) { m.Accept = []string{"active-source"} }, "waits until the application has stopped"},
		"step":                   {func(m *api.Migration) { m.Events = []api.Event{command("failingback")} }, "did you mean failing-back?"},
		"no group":               {func(m *api.Migration) { m.Groups = nil }, `["*"] if every group`},
		"header as the flag":     {func(m *api.Migration) { m.Header = "x:int64be" }, "header: x, encoding: int64be"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := good()
			tc.change(&m)
			m.SetDefaults()
			ps := m.Validate()
			if len(ps) != 1 || !strings.Contains(ps[0].Hint, tc.want) {
				t.Errorf("got %+v, want the hint %q", ps, tc.want)
			}
		})
	}
	m := good()
	m.Mover = "rsync"
	m.SetDefaults()
	if ps := m.Validate(); len(ps) != 1 || !strings.Contains(ps[0].Message, "auto, mirrormaker2, armory, kafka-backup, redpanda-migrator, k2k, kferry, none") {
		t.Errorf("got %+v", ps)
	}
}

func TestWebhookURL(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"https://a.example/b":              true,
		"http://127.0.0.1:8080":            true,
		"https://a/b?author=me&compass=n":  true,
		"https://a/b?Access-Token=hunter2": false,
		"https://a/b?app=orders&dry=1":     true,
		"":                                 false,
		"a.example/b":                      false,
		"ftp://a/b":                        false,
		"https:///b":                       false,
		"https://a/b#c":                    false,
		"https://hunter2@a/b":              false,
		"https://u:hunter2@a/b":            false,
		"https://a/b?token=hunter2":        false,
		"https://a/b?x=1&API_Key=hunter2":  false,
		"https://a/b?sig=hunter2":          false,
		"https://a/b?code=hunter2":         false,
		"https://u:hunter2@a:port/":        false,
		"https://a/%zz?token=hunter2":      false,
		"://hunter2":                       false,
	} {
		m := good()
		m.Events = []api.Event{hook(url)}
		m.SetDefaults()
		ps := m.Validate()
		if (len(ps) == 0) != ok {
			t.Errorf("%s: got %v", url, ps)
		}
		for _, p := range ps {
			if strings.Contains(p.Message+p.Hint, "hunter2") {
				t.Errorf("%s: the secret is in %+v", url, p)
			}
			if p.Path != "events[0].webhook.url" {
				t.Errorf("%s: at %s", url, p.Path)
			}
		}
	}
}

func TestMigrationDefaults(t *testing.T) {
	t.Parallel()
	m := good()
	m.Events = []api.Event{command("moved"), {On: []string{"*"}, Webhook: &api.Webhook{URL: "https://a", TokenFrom: &api.SecretRef{Exec: []string{"p"}}}}}
	m.SetDefaults()
	want := api.Migration{
		APIVersion: api.Version, Kind: "Migration", Name: "orders", From: "old", To: "new", Groups: []string{"orders-app"},
		Mover: "auto", Interval: api.Duration(10 * time.Second),
		Events: []api.Event{
			{On: []string{"moved"}, Command: []string{"true"}, Timeout: api.Duration(time.Minute), OnFailure: "stop"},
			{
				On: []string{"*"}, Timeout: api.Duration(time.Minute), OnFailure: "stop",
				Webhook: &api.Webhook{URL: "https://a", TokenFrom: &api.SecretRef{Exec: []string{"p"}, Timeout: api.Duration(10 * time.Second)}},
			},
		},
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
	again := m.Clone()
	again.SetDefaults()
	if diff := cmp.Diff(m, again); diff != "" {
		t.Errorf("the second time changes something: %s", diff)
	}
	again.Events[1].Webhook.TokenFrom.Exec[0], again.Events[0].On[0], again.Groups[0] = "x", "x", "x"
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("a clone shares something: %s", diff)
	}
}
