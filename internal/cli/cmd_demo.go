package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/sandbox"
)

func newDemoCmd(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "The whole story on two embedded clusters, in a few seconds",
		Long: "Starts two small Kafka clusters inside this process, with a topic, its copy under another name\n" +
			"and other offsets, and a consumer group in the middle of it; then moves the group with the\n" +
			"commands that you would type, lets a consumer read on, and takes everything back.\n" +
			"It needs no Kafka, touches no file of yours and leaves nothing behind.",
		GroupID: "start",
		Args:    exactArgs(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), f) },
	}
}

// demo runs real commands, each through Main, against a sandbox.
type demo struct {
	f     *Factory
	box   *sandbox.Sandbox
	dir   string // holds the config file, the state and the plan
	out   io.Writer
	paint paint
	step  int
}

// runDemo tells the story. Every command in it is run as it is shown; only the
// folder of its files is left out.
func runDemo(ctx context.Context, f *Factory) (err error) {
	dir, err := os.MkdirTemp("", "kferry-demo-")
	if err != nil {
		return fmt.Errorf("making a folder for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	box, err := sandbox.Start()
	if err != nil {
		return err
	}
	defer box.Close()
	d := &demo{f: f, box: box, dir: dir, out: f.stdout(), paint: f.outPaint()}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{d.situation, d.plan, d.apply, d.verify, d.resume, d.rollback} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	d.say("",
		d.paint.bold("That was all of it.")+" Now on your own clusters, and nothing is written before 'apply':",
		"  kferry plan --from OLD:9092 --to NEW:9092 --group YOUR-GROUP --out plan.json")
	return nil
}

func (d *demo) prepare(ctx context.Context) error {
	if err := d.box.Fill(ctx); err != nil {
		return err
	}
	config := fmt.Sprintf("clusters:\n  - name: prod\n    bootstrap: [%q]\n  - name: qa\n    bootstrap: [%q]\n", d.box.Source(), d.box.Target())
	if err := os.WriteFile(d.file("kferry.yaml"), []byte(config), 0o600); err != nil {
		return fmt.Errorf("writing the demo's config file: %w", err)
	}
	return nil
}

func (d *demo) file(name string) string { return filepath.Join(d.dir, name) }

func (d *demo) say(lines ...string) {
	for _, l := range lines {
		fmt.Fprintln(d.out, l)
	}
}

// chapter begins a step.
func (d *demo) chapter(title string, text ...string) {
	d.step++
	d.say("", d.paint.bold(fmt.Sprintf("%d. %s", d.step, title)))
	for _, l := range text {
		d.say(d.paint.dim(l))
	}
}

func (d *demo) situation(ctx context.Context) error {
	d.chapter("Two clusters: prod, and qa with a copy",
		"On prod, topic orders-prod has five records, at offsets 100 to 104. On qa a restore has copied them",
		"into orders-qa, where they stand at offsets 0 to 4; each copy names its old offset in a header.",
		"The group has processed three orders: it is to read offset 103 next. What is that on qa?")
	return d.run(ctx, "group", "describe", sandbox.Group, "--cluster", "prod")
}

func (d *demo) plan(ctx context.Context) error {
	d.chapter("Plan: find the equal position, and write nothing",
		"kferry reads the headers around the position, compares the records on both sides, and reads the",
		"rest of the copy to be sure that nothing is missing or comes twice.")
	return d.run(ctx, "plan", "--from", "prod", "--to", "qa", "--group", sandbox.Group,
		"--map-topic", sandbox.SourceTopic+"="+sandbox.TargetTopic, "--settle", "1s", "--explain", "--out", "plan.json")
}

func (d *demo) apply(ctx context.Context) error {
	d.chapter("Apply: exactly that plan, or nothing",
		"Everything is looked at once more; what was there is saved, each step is journalled before it is done,",
		"and what was written is read back.")
	return d.run(ctx, "apply", "plan.json", "--yes")
}

func (d *demo) verify(ctx context.Context) error {
	d.chapter("Verify: the position and its proof, at any later time")
	return d.run(ctx, "verify", "plan.json")
}

func (d *demo) resume(ctx context.Context) error {
	d.chapter("The application starts on qa", "A consumer joins the group and reads on. It gets orders 4 and 5: nothing twice, nothing skipped.")
	got, err := d.box.Resume(ctx, false)
	if err != nil {
		return err
	}
	for _, o := range got {
		d.say(fmt.Sprintf("  offset %d  %s  %s", o.Offset, d.paint.bold(o.Key), o.Value))
	}
	if len(got) != 2 || got[0].Key != "order-4" || got[1].Key != "order-5" {
		return fmt.Errorf("the consumer was given %d records, not orders 4 and 5", len(got))
	}
	return nil
}

func (d *demo) rollback(ctx context.Context) error {
	var list bytes.Buffer
	if code := d.main(ctx, &list, "history", "list", "-o", "json"); code != ExitOK {
		return &failure{code: code, err: fmt.Errorf("listing runs in the demo: %s", list.String())}
	}
	id, err := firstRun(list.Bytes())
	if err != nil {
		return err
	}
	d.chapter("And back: as if it had never been", "The group did not exist on qa before. After the rollback it does not exist again.")
	if err := d.run(ctx, "rollback", id, "--yes"); err != nil {
		return err
	}
	return d.run(ctx, "group", "list", "--cluster", "qa")
}

// firstRun is the ID of the newest run of "history list -o json".
func firstRun(raw []byte) (string, error) {
	var doc struct {
		Runs []struct {
			Run string `json:"run"`
		} `json:"runs"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return "", fmt.Errorf("reading the list of runs: %w", err)
	}
	if len(doc.Runs) == 0 {
		return "", errors.New("the apply has left no run")
	}
	return doc.Runs[0].Run, nil
}

// run shows a command and what it prints.
func (d *demo) run(ctx context.Context, args ...string) error {
	d.say("", d.paint.green("$")+" "+d.paint.bold("kferry "+strings.Join(args, " ")))
	var out bytes.Buffer
	code := d.main(ctx, &out, args...)
	text := strings.ReplaceAll(out.String(), d.dir+string(filepath.Separator), "")
	if _, err := io.WriteString(d.out, text); err != nil {
		return err
	}
	if code != ExitOK {
		return &failure{code: code, err: fmt.Errorf("kferry %s ended with exit code %d", args[0], code)}
	}
	return nil
}

// main runs one command line in this process, with the demo's files.
func (d *demo) main(ctx context.Context, out io.Writer, args ...string) int {
	for i, a := range args {
		if a == "plan.json" {
			args = append(append(append([]string{}, args[:i]...), d.file(a)), args[i+1:]...)
		}
	}
	return Main(ctx, args, &Streams{
		In: strings.NewReader(""), Out: out, Err: out, OutTTY: bool(d.paint), Now: d.f.streams.Now,
		Getenv: func(name string) string {
			switch name {
			case "KFERRY_CONFIG":
				return d.file("kferry.yaml")
			case "KFERRY_STATE":
				return d.file("state")
			case "NO_COLOR":
				if !d.paint {
					return "1"
				}
			case "TERM":
				return d.f.streams.env(name)
			}
			return ""
		},
	})
}
