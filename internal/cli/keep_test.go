package cli

import (
	"fmt"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kept is the time that came with the latest commit of each position of a
// cluster.
type kept struct {
	mu sync.Mutex
	of map[string]string
}

// cmdForgets sets for how many minutes a cluster keeps positions, and notes from
// now on for how long commits say that they are kept: forgets NAME MINUTES.
func cmdForgets(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "forgets NAME MINUTES")
	k := of(ts)
	ctx, cancel := withTime()
	defer cancel()
	set, err := k.admin(ts, args[0]).AlterBrokerConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "offsets.retention.minutes", Value: &args[1]}})
	ts.Check(err)
	for _, one := range set {
		ts.Check(one.Err)
	}
	l := &kept{of: map[string]string{}}
	k.kept[args[0]] = l
	cluster := k.clusters[args[0]]
	cluster.ControlKey(int16(kmsg.OffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		l.note(r)
		return nil, nil, false
	})
}

func (l *kept) note(r kmsg.Request) {
	req, ok := r.(*kmsg.OffsetCommitRequest)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	text := "no time"
	if req.Version <= 4 && req.RetentionTimeMillis >= 0 {
		text = (time.Duration(req.RetentionTimeMillis) * time.Millisecond).String()
	}
	for _, rt := range req.Topics {
		for _, p := range rt.Partitions {
			l.of[fmt.Sprintf("%s %s %d", req.Group, rt.Topic, p.Partition)] = text
		}
	}
}

// cmdKept prints for how long the latest commit of a position is kept: kept NAME
// GROUP TOPIC PARTITION.
func cmdKept(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 4, "kept NAME GROUP TOPIC PARTITION")
	l := of(ts).kept[args[0]]
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(ts.Stdout(), l.of[args[1]+" "+args[2]+" "+args[3]])
}
