package sandbox

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestSandbox(t *testing.T) {
	t.Parallel()
	s, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Source()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	start, err := adm.ListStartOffsets(t.Context(), SourceTopic)
	if err != nil {
		t.Fatal(err)
	}
	end, err := adm.ListEndOffsets(t.Context(), SourceTopic)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := start.Lookup(SourceTopic, 0)
	last, _ := end.Lookup(SourceTopic, 0)
	at, err := adm.FetchOffsets(t.Context(), Group)
	if err != nil {
		t.Fatal(err)
	}
	pos, _ := at.Lookup(SourceTopic, 0)
	if first.Offset != 100 || last.Offset != 105 || pos.At != 103 {
		t.Errorf("source has %d to %d and the group is at %d", first.Offset, last.Offset, pos.At)
	}

	// Nothing is committed on the target yet: the consumer begins at the start.
	got, err := s.Resume(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	var offsets []int64
	for _, o := range got {
		offsets = append(offsets, o.Offset)
	}
	if diff := cmp.Diff([]int64{0, 1, 2, 3, 4}, offsets); diff != "" {
		t.Error(diff)
	}
}
