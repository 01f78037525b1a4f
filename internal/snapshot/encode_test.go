package snapshot

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/topic"
)

// fullGroup and fullBody are a full snapshot as encoding/json writes it.
type fullGroup struct {
	Name      string           `json:"name"`
	Kind      string           `json:"kind"`
	State     string           `json:"state"`
	Exists    bool             `json:"exists"`
	Protocol  string           `json:"protocol"`
	Members   int              `json:"members"`
	Error     string           `json:"error,omitempty"`
	Positions []storedPosition `json:"positions"`
}

type fullBody struct {
	Summary
	Groups []fullGroup `json:"groups"`
}

func plainly(t *testing.T, s *Snapshot) []byte {
	t.Helper()
	body := fullBody{Summary: s.Summary, Groups: []fullGroup{}}
	for _, g := range s.Groups {
		f := fullGroup{
			Name: g.Name, Kind: g.Kind, State: g.State, Exists: g.Exists, Protocol: g.Protocol, Members: g.Members,
			Error: g.Error, Positions: []storedPosition{},
		}
		for i := range g.Positions {
			f.Positions = append(f.Positions, g.Positions[i].stored())
		}
		body.Groups = append(body.Groups, f)
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// handmade is the body that sealFull writes.
func handmade(t *testing.T, s *Snapshot) []byte {
	t.Helper()
	body, err := s.begin(0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Groups {
		body = appendHead(separate(body, i), &s.Groups[i])
		body = append(appendPositions(append(body, `,"positions":`...), s.Groups[i].Positions), '}')
	}
	return append(body, "]}"...)
}

func TestEncodedAsEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, s := range []*Snapshot{saved("20261121T114527Z-7f7a9c"), laterThan(saved("20261121T114527Z-7f7a9c")), many(3, 4), {}} {
		s.normalize()
		if diff := cmp.Diff(string(plainly(t, s)), string(handmade(t, s))); diff != "" {
			t.Errorf("(-encoding/json +by hand):\n%s", diff)
		}
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("g", "s", "t", "m", int32(0), int64(1), int32(-1), int64(5), true, 0, "")
	f.Add("a\xff", "\u2028\u2029\ufffd", "\x00\x1f\x7f\b\f\n\r\t\"\\/<>&", "\xff\x00", int32(1<<31-1), int64(-1<<63), int32(5), int64(0), false, -3, "é日本🎉")
	f.Fuzz(func(t *testing.T, name, state, topicName, metadata string, partition int32, offset int64, epoch int32, end int64, known bool, members int, text string) {
		p := Position{Topic: topicName, Partition: partition, Offset: offset, LeaderEpoch: epoch, Metadata: metadata}
		if known {
			p.LogEnd, p.LogStart, p.Lag = &end, &offset, &end
			p.TopicID = topic.ID{byte(partition), 1, byte(end)}
		}
		s := &Snapshot{Groups: []Group{{
			Name: name, Kind: text, State: state, Exists: known, Protocol: text, Members: members, Error: text, Positions: []Position{p, {Topic: name}},
		}, {Name: text, Positions: []Position{}}}}
		if diff := cmp.Diff(string(plainly(t, s)), string(handmade(t, s))); diff != "" {
			t.Errorf("(-encoding/json +by hand):\n%s", diff)
		}
	})
}

// many is a snapshot with that many groups of that many positions each.
func many(groups, positions int) *Snapshot {
	s := &Snapshot{Summary: Summary{
		Created: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), ClusterID: "MkU3OEVBNTcwNTJENDM2Qg", ClusterName: "prod",
		Bootstrap: []string{"kafka-1.example.com:9092"}, Tool: "kferry test", Trigger: Trigger{Kind: Manual}, Complete: true, Selection: &Selection{},
	}}
	for i := range groups {
		g := Group{Name: fmt.Sprintf("application-%05d", i), Kind: "classic", State: "Stable", Exists: true, Protocol: "consumer", Members: 3}
		for j := range positions {
			g.Positions = append(g.Positions, Position{
				Topic: fmt.Sprintf("orders-%03d", j/10), TopicID: topic.ID{1, byte(j / 10)}, Partition: int32(j % 10),
				Offset: 1_000_000, LeaderEpoch: 3, LogStart: new(int64(1)), LogEnd: new(int64(1_000_100)), Lag: new(int64(100)),
			})
		}
		s.Groups = append(s.Groups, g)
	}
	return s
}

func BenchmarkEncode100k(b *testing.B) {
	s := many(1000, 100)
	s.normalize()
	b.ReportAllocs()
	for b.Loop() {
		data, err := s.sealFull()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(data)), "bytes")
	}
}

func BenchmarkDelta100k(b *testing.B) {
	s := many(1000, 100)
	s.normalize()
	s.ID = "20261121T114527Z-7f7a9c"
	c := many(1000, 100)
	for i := range c.Groups {
		c.Groups[i].Positions[0].Offset++
	}
	c.normalize()
	b.ReportAllocs()
	for b.Loop() {
		data, err := c.sealDelta(s)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(data)), "bytes")
	}
}
