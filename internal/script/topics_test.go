package script

import (
	"bytes"
	"errors"
	"testing"

	"github.com/kferry/kferry/api"
)

// TestTopicsSettings: what kafka-topics.sh would split or drop is not written.
func TestTopicsSettings(t *testing.T) {
	t.Parallel()
	for value, ok := range map[string]bool{
		"1": true, "compact,delete": true, "a b": true, "$(touch x)`'": true, "": false, "a=b": false, " a": false, "a ": false, "a\nSETTINGS\nrm": false, "é": false,
	} {
		var b bytes.Buffer
		o := Topics{Topics: []api.Topic{{Name: "orders", Partitions: 1, Config: map[string]string{"some.key": value}}}}
		err := o.Write(&b)
		var bad *SettingError
		if ok && err != nil || !ok && (!errors.As(err, &bad) || b.Len() > 0) {
			t.Errorf("%q: %v, and %d bytes", value, err, b.Len())
		}
	}
	o := Topics{Topics: []api.Topic{{Name: "a'b", Partitions: 1}}}
	if err := o.Write(&bytes.Buffer{}); err == nil {
		t.Error("a name that Kafka does not allow was written")
	}
}
