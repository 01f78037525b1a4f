package group

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

func TestJoinable(t *testing.T) {
	t.Parallel()
	describe := func(b *broker, code int16) {
		b.ControlKey(kmsg.ConsumerGroupDescribe.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
			b.KeepControl()
			resp, _ := r.ResponseKind().(*kmsg.ConsumerGroupDescribeResponse)
			resp.Groups = []kmsg.ConsumerGroupDescribeResponseGroup{{Group: nobody, ErrorCode: code}}
			return resp, nil, true
		})
	}
	for name, tc := range map[string]struct {
		opts []kfake.Opt
		set  func(*broker)
		kind Kind
		want bool
	}{
		"classic":                        {kind: Classic, want: true},
		"consumer":                       {kind: Consumer, want: true},
		"consumer on brokers without":    {opts: []kfake.Opt{kfake.MaxVersions(kversion.V3_4_0())}, kind: Consumer},
		"consumer switched off":          {set: func(b *broker) { describe(b, kerr.UnsupportedVersion.Code) }, kind: Consumer},
		"consumer without the right":     {set: func(b *broker) { describe(b, kerr.GroupAuthorizationFailed.Code) }, kind: Consumer, want: true},
		"streams on brokers without":     {opts: []kfake.Opt{kfake.MaxVersions(kversion.V4_0_0())}, kind: Streams},
		"share groups":                   {kind: Share, want: true},
		"share groups on brokers before": {opts: []kfake.Opt{kfake.MaxVersions(kversion.V3_9_0())}, kind: Share},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, tc.opts...)
			if tc.set != nil {
				tc.set(b)
			}
			got, err := b.groups(t).Joinable(t.Context(), tc.kind)
			if err != nil || got != tc.want {
				t.Errorf("Joinable: %v %v, want %v", got, err, tc.want)
			}
		})
	}
}
