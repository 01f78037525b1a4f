package mover_test

import (
	"testing"

	"github.com/kferry/kferry/internal/mover"
)

func TestOwnTopics(t *testing.T) {
	t.Parallel()
	type found struct {
		alias string
		ok    bool
	}
	none := found{}
	tests := []struct {
		name                           string
		syncs, checkpoints, heartbeats found
	}{
		{"mm2-offset-syncs.target.internal", found{"target", true}, none, none},
		{"mm2-offset-syncs.eu.west-1.internal", found{"eu.west-1", true}, none, none},
		{"mm2-offset-syncs-b-internal", found{"b", true}, none, none},
		{"mm2-offset-syncs_b_internal", found{"b", true}, none, none},
		{"mm2-offset-syncs__b__internal", found{"b", true}, none, none},
		{"mm2-offset-syncs._b._internal", found{"b", true}, none, none},
		{"mm2-offset-syncs.b-.internal", found{"b-", true}, none, none},
		{"mm2-offset-syncsbinternal", found{"b", true}, none, none},
		{"mm2-offset-syncs..internal", found{"..", true}, none, none},
		{"mm2-offset-syncsinternal", none, none, none},
		{"mm2-offset-syncs.b", none, none, none},
		{"my-mm2-offset-syncs.b.internal", none, none, none},
		{"a.checkpoints.internal", none, found{"a", true}, none},
		{"eu.west.checkpoints.internal", none, found{"eu.west", true}, none},
		{"a_checkpoints_internal", none, found{"a", true}, none},
		{"a__checkpoints__internal", none, found{"a", true}, none},
		{"a-to-checkpoints-to-internal", none, found{"a", true}, none},
		{"checkpoints.checkpoints.internal", none, found{"checkpoints", true}, none},
		{"acheckpointsinternal", none, none, none},
		{"a.checkpoints_internal", none, none, none},
		{".checkpoints.internal", none, none, none},
		{"checkpoints.internal", none, none, none},
		{"heartbeats", none, none, found{"", true}},
		{"a.heartbeats", none, none, found{"a", true}},
		{"a__heartbeats", none, none, found{"a", true}},
		{"myheartbeats", none, none, none},
		{".heartbeats", none, none, none},
		{"orders", none, none, none},
		{"", none, none, none},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			alias, ok := mover.SyncTopicAlias(test.name)
			if got := (found{alias, ok}); ok != test.syncs.ok || ok && got != test.syncs {
				t.Errorf("offset syncs: got %v, want %v", got, test.syncs)
			}
			alias, ok = mover.CheckpointTopicAlias(test.name)
			if got := (found{alias, ok}); ok != test.checkpoints.ok || ok && got != test.checkpoints {
				t.Errorf("checkpoints: got %v, want %v", got, test.checkpoints)
			}
			alias, ok = mover.HeartbeatTopicAlias(test.name)
			if got := (found{alias, ok}); ok != test.heartbeats.ok || ok && got != test.heartbeats {
				t.Errorf("heartbeats: got %v, want %v", got, test.heartbeats)
			}
			own := test.syncs.ok || test.checkpoints.ok || test.name == "heartbeats"
			if got := mover.Internal(test.name); got != own {
				t.Errorf("internal: got %v, want %v", got, own)
			}
		})
	}
}

func TestReplicated(t *testing.T) {
	t.Parallel()
	tests := []struct {
		target, source, alias, sep string
		ok                         bool
	}{
		{"a.orders", "orders", "a", ".", true},
		{"eu-west.orders", "orders", "eu-west", ".", true},
		{"a_orders", "orders", "a", "_", true},
		{"a__orders", "orders", "a", "__", true},
		{"a.orders.v1", "orders.v1", "a", ".", true},
		{"b.a.orders", "a.orders", "b", ".", true},
		{"b.a.orders", "orders", "b.a", ".", true},
		{"orders", "orders", "", "", false},
		{".orders", "orders", "", "", false},
		{"reorders", "orders", "", "", false},
		{"a.orders", "payments", "", "", false},
		{"a.orders", "", "", "", false},
	}
	for _, test := range tests {
		t.Run(test.target+" of "+test.source, func(t *testing.T) {
			t.Parallel()
			alias, sep, ok := mover.Replicated(test.target, test.source)
			if ok != test.ok || ok && (alias != test.alias || sep != test.sep) {
				t.Errorf("got %q %q %v, want %q %q %v", alias, sep, ok, test.alias, test.sep, test.ok)
			}
		})
	}
}
