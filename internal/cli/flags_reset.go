package cli

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/plan"
)

// resetFlags say where groups are to go on, in the words of
// kafka-consumer-groups.
type resetFlags struct {
	earliest, latest, current bool
	offset, shift             int64
	datetime, duration        string
	input                     inputFlags // of --from-file
}

// resetNames are the flags of which exactly one is given.
var resetNames = []string{"to-earliest", "to-latest", "to-current", "to-offset", "to-datetime", "by-duration", "shift-by", "from-file"}

func (r *resetFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&r.earliest, "to-earliest", false, "to the first record of each partition")
	fs.BoolVar(&r.latest, "to-latest", false, "to the end of each partition, before any transaction that is open")
	fs.BoolVar(&r.current, "to-current", false, "to what the group has, and to the end where it has nothing")
	fs.Int64Var(&r.offset, "to-offset", 0, "to the offset `N` on every partition")
	fs.StringVar(&r.datetime, "to-datetime", "", "to the first record of `TIME` or later, as 2026-11-21T11:45:00Z; UTC without a zone")
	fs.StringVar(&r.duration, "by-duration", "", "to the first record that is no older than `DURATION`, as 1h30m or PT1H30M")
	fs.Int64Var(&r.shift, "shift-by", 0, "by `N` records' offsets forwards, or backwards when it is negative")
	fs.StringVar(&r.input.file, "from-file", "", "to the positions in `FILE`, - for stdin: CSV topic,partition,offset or group,topic,partition,offset, or JSON")
	_ = cmd.MarkFlagFilename("from-file", "csv", "json") // the flag was added just above
	r.input.addFormat(cmd)
}

// to is the place that was asked for. now is that of the plan.
func (r *resetFlags) to(cmd *cobra.Command, now time.Time) (plan.ResetTo, error) {
	var given []string
	for _, name := range resetNames {
		if cmd.Flags().Changed(name) {
			given = append(given, name)
		}
	}
	if len(given) > 1 {
		return plan.ResetTo{}, &usageError{err: fmt.Errorf("--%s exclude each other", strings.Join(given, " and --"))}
	}
	if len(given) == 0 {
		return plan.ResetTo{}, &usageError{err: errors.New("where to is missing"), hint: "one of --" + strings.Join(resetNames, ", --")}
	}
	switch given[0] {
	case "to-offset":
		if r.offset < 0 {
			return plan.ResetTo{}, &usageError{err: fmt.Errorf("--to-offset %d: no offset is negative", r.offset), hint: "--shift-by goes back from where a group is"}
		}
		return plan.ResetTo{Place: plan.PlaceOffset, Offset: r.offset}, nil
	case "shift-by":
		return plan.ResetTo{Place: plan.PlaceShift, Offset: r.shift}, nil
	case "to-datetime":
		t, err := parseTime(r.datetime)
		return plan.ResetTo{Place: plan.PlaceTime, Time: t}, usage("--to-datetime", err)
	case "by-duration":
		d, err := parseDuration(r.duration)
		return plan.ResetTo{Place: plan.PlaceTime, Time: now.Add(-d)}, usage("--by-duration", err)
	case "from-file":
		return plan.ResetTo{Place: plan.PlaceGiven}, nil
	}
	for _, f := range []struct {
		given bool
		place plan.Place
	}{{r.earliest, plan.PlaceEarliest}, {r.latest, plan.PlaceLatest}, {r.current, plan.PlaceCurrent}} {
		if f.given {
			return plan.ResetTo{Place: f.place}, nil
		}
	}
	return plan.ResetTo{}, &usageError{err: fmt.Errorf("--%s=false says nothing", given[0])}
}

// usage makes a mistake in a flag of an error; nil stays nil.
func usage(flag string, err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err: fmt.Errorf("%s: %w", flag, err)}
}

// timeForms are what kafka-consumer-groups takes and what people copy out of
// logs. Seconds may have a fraction in all of them.
var timeForms = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02",
}

// parseTime reads a time of day; UTC where it names no zone, as Kafka's tools
// take it.
func parseTime(s string) (time.Time, error) {
	for _, form := range timeForms {
		if t, err := time.Parse(form, strings.Replace(s, " ", "T", 1)); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time as 2026-11-21T11:45:00Z, 2026-11-21T11:45:00.500+01:00 or 2026-11-21", s)
}

// isoDuration are days and times of ISO 8601, as java.time.Duration reads them:
// months and years have no length of their own.
var isoDuration = regexp.MustCompile(`^P(?:(\d+)D)?(T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d{1,9}))?S)?)?$`)

// parseDuration reads a length of time as Kafka (PT1H30M) and Go (1h30m) write
// it.
func parseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is no length of time as 90m, 1h30m, PT1H30M or P7D", s)
	upper := strings.ToUpper(s)
	if !strings.HasPrefix(upper, "P") {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return 0, bad
		}
		return d, nil
	}
	m := isoDuration.FindStringSubmatch(upper)
	if m == nil || upper == "P" || m[2] == "T" {
		return 0, bad
	}
	total := time.Duration(0)
	for _, part := range []struct {
		digits string
		unit   time.Duration
	}{{m[1], 24 * time.Hour}, {m[3], time.Hour}, {m[4], time.Minute}, {m[5], time.Second}, {(m[6] + "000000000")[:9], time.Nanosecond}} {
		if part.digits == "" {
			continue
		}
		n, err := strconv.ParseInt(part.digits, 10, 64)
		if err != nil || n > (math.MaxInt64-int64(total))/int64(part.unit) {
			return 0, fmt.Errorf("%q is longer than 292 years", s)
		}
		total += time.Duration(n) * part.unit
	}
	return total, nil
}
