package mover

import "strings"

// The fixed words in the names of MirrorMaker 2's own topics.
const (
	syncsWord       = "mm2-offset-syncs"
	checkpointsWord = "checkpoints"
	heartbeatsWord  = "heartbeats"
	internalWord    = "internal"
)

// SyncTopicAlias recognises mm2-offset-syncs<sep><alias><sep>internal with any
// separator (replication.policy.separator, KIP-949). On the source cluster the
// alias is that of the target, on the target cluster that of the source
// (offset-syncs.topic.location).
func SyncTopicAlias(name string) (alias string, ok bool) {
	middle, ok := strings.CutPrefix(name, syncsWord)
	if !ok {
		return "", false
	}
	middle, ok = strings.CutSuffix(middle, internalWord)
	if !ok || middle == "" {
		return "", false
	}
	sep := separator(middle)
	alias = middle[len(sep) : len(middle)-len(sep)]
	return alias, alias != ""
}

// punctuation is what topic names may have besides letters and digits.
const punctuation = "._-"

// separator is the longest run of punctuation that a name both begins and ends
// with, as long as something is left between.
func separator(s string) string {
	best := ""
	for n := 1; 2*n < len(s) && strings.IndexByte(punctuation, s[n-1]) >= 0; n++ {
		if s[:n] == s[len(s)-n:] {
			best = s[:n]
		}
	}
	return best
}

// CheckpointTopicAlias recognises <alias><sep>checkpoints<sep>internal with
// any separator but the empty one. It is on the target cluster, and the alias
// is that of the source.
func CheckpointTopicAlias(name string) (alias string, ok bool) {
	before, ok := strings.CutSuffix(name, internalWord)
	if !ok {
		return "", false
	}
	i := strings.LastIndex(before, checkpointsWord)
	if i < 0 {
		return "", false
	}
	sep := before[i+len(checkpointsWord):]
	alias, ok = strings.CutSuffix(before[:i], sep)
	return alias, ok && sep != "" && alias != ""
}

// HeartbeatTopicAlias recognises heartbeats, which MirrorMaker 2 writes on the
// cluster that it copies from, with an empty alias, and its copy
// <alias><sep>heartbeats on the target with the alias of the source.
func HeartbeatTopicAlias(name string) (alias string, ok bool) {
	if name == heartbeatsWord {
		return "", true
	}
	alias, _, ok = Replicated(name, heartbeatsWord)
	return alias, ok
}

// Replicated reports whether a topic of the target is named as MirrorMaker 2's
// DefaultReplicationPolicy names the copy of a source topic:
// <alias><sep><source topic>. The separator is the punctuation before the
// source topic's name. The same name on both sides (IdentityReplicationPolicy)
// is no such name: ok is false.
func Replicated(target, source string) (alias, sep string, ok bool) {
	prefix, found := strings.CutSuffix(target, source)
	if !found || source == "" {
		return "", "", false
	}
	alias = strings.TrimRight(prefix, punctuation)
	sep = prefix[len(alias):]
	if alias == "" || sep == "" {
		return "", "", false
	}
	return alias, sep, true
}

// Internal reports whether a topic is one that MirrorMaker 2 keeps for itself
// (offset syncs, checkpoints, heartbeats) rather than a copy of somebody's
// records.
func Internal(name string) bool {
	_, syncs := SyncTopicAlias(name)
	_, checkpoints := CheckpointTopicAlias(name)
	return syncs || checkpoints || name == heartbeatsWord
}
