package cluster

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func describesOfBrokers(f *kfake.Cluster) *int {
	n := new(int)
	f.ControlKey(int16(kmsg.DescribeConfigs), func(r kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		if req, ok := r.(*kmsg.DescribeConfigsRequest); ok && req.Resources[0].ResourceType == kmsg.ConfigResourceTypeBroker {
			*n++
		}
		return nil, nil, false
	})
	return n
}

func TestSettingsAreAskedForOnce(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(3), kfake.BrokerConfigs(map[string]string{"offsets.retention.minutes": "90"}))
	c, asked := open(t, f), describesOfBrokers(f)
	for range 3 {
		keep, known, err := c.OffsetsRetention(t.Context())
		if err != nil || !known || keep != 90*time.Minute {
			t.Fatalf("offsets retention: %v %t %v", keep, known, err)
		}
		// kfake has no such setting: then it is not known.
		if d, known := c.LongestSession(true); known {
			t.Fatalf("longest session %v without a setting", d)
		}
	}
	if *asked != 1 {
		t.Errorf("%d requests, want one", *asked)
	}
}

func TestSettingsOfSessions(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1))
	f.ControlKey(int16(kmsg.DescribeConfigs), func(r kmsg.Request) (kmsg.Response, error, bool) {
		req, _ := r.(*kmsg.DescribeConfigsRequest)
		resp, _ := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
		one := kmsg.NewDescribeConfigsResponseResource()
		one.ResourceType, one.ResourceName = req.Resources[0].ResourceType, req.Resources[0].ResourceName
		for k, v := range map[string]string{keyMaxSession: "1800000", keyMaxConsumerSession: "60000", keyOffsetsRetention: "none"} {
			kv := kmsg.NewDescribeConfigsResponseResourceConfig()
			kv.Name, kv.Value = k, &v
			one.Configs = append(one.Configs, kv)
		}
		resp.Resources = append(resp.Resources, one)
		return resp, nil, true
	})
	c := open(t, f)
	if d, known := c.LongestSession(false); !known || d != 30*time.Minute {
		t.Errorf("classic: %v %t", d, known)
	}
	if d, known := c.LongestSession(true); !known || d != time.Minute {
		t.Errorf("consumer: %v %t", d, known)
	}
	if d, known, err := c.OffsetsRetention(t.Context()); err != nil || known {
		t.Errorf("what is no number: %v %t %v", d, known, err)
	}
}

func TestSettingsThatAreHiddenAreNotKnown(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1))
	c := open(t, f)
	h := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.ClusterAuthorizationFailed, Count: -1})
	for range 2 {
		if d, known, err := c.OffsetsRetention(t.Context()); err != nil || known {
			t.Errorf("%v %t %v, want not known and no error", d, known, err)
		}
	}
	if h.Hits() != 1 {
		t.Errorf("asked %d times, want once", h.Hits())
	}
}

func TestSettingsOfAClusterThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1))
	c := open(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if d, known, err := c.OffsetsRetention(ctx); err == nil || known {
		t.Errorf("%v %t, want an error", d, known)
	}
	// That is no answer: it is asked again.
	if _, known, err := c.OffsetsRetention(t.Context()); err != nil || !known {
		t.Errorf("known %t, error %v", known, err)
	}
}

func TestDurationOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"7": 7 * time.Minute, "": 0, "-1": 0, "0": 0, "x": 0, "9223372036854775807": 0} {
		if d, ok := durationOf(text, time.Minute); d != want || ok != (want > 0) {
			t.Errorf("%q: %v %t", text, d, ok)
		}
	}
}
