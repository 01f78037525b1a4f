package cli

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/kferry/kferry/internal/plan"
)

// keepFlag is for how long positions that are committed are kept.
type keepFlag struct{ length time.Duration }

func (k *keepFlag) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Second {
		return fmt.Errorf("%q is no time as 90m, 72h or 720h", s)
	}
	k.length = d
	return nil
}

func (k *keepFlag) String() string {
	if k.length == 0 {
		return ""
	}
	return k.length.String()
}

// Type is what the help shows.
func (k *keepFlag) Type() string { return "TIME" }

func (k *keepFlag) add(fs *pflag.FlagSet) {
	fs.Var(k, "keep-offsets", "keep the committed positions for at least `TIME` (as 720h), also without consumers, whatever the brokers' offsets.retention.minutes says")
}

// kept says at the end of an apply for how long positions are kept.
func (f *Factory) kept(r *plan.Report) {
	if d := time.Duration(r.KeepMS) * time.Millisecond; d > 0 && r.Count(plan.Applied) > 0 {
		f.remark("The positions are kept until %s at least.", r.Started.Add(d).UTC().Format(time.RFC3339))
	}
}
