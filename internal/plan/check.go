package plan

import (
	"fmt"
)

// check refuses a plan that contradicts itself: it was not written by Write.
func (p *Plan) check() error {
	if p.Created.IsZero() || p.Target.ID == "" && p.Target.Name == "" && len(p.Target.Bootstrap) == 0 {
		return fmt.Errorf("%w: no time or no target", ErrNoPlan)
	}
	if p.Options.KeepMS < 0 || p.Options.KeepMS > maxKeep.Milliseconds() {
		return fmt.Errorf("%w: positions are to be kept for %d ms", ErrNoPlan, p.Options.KeepMS)
	}
	names := map[string]bool{}
	for i := range p.Groups {
		g := &p.Groups[i]
		if g.Name == "" || names[g.Name] {
			return fmt.Errorf("%w: group %q is nameless or there twice", ErrNoPlan, g.Name)
		}
		names[g.Name] = true
		if err := g.check(p.Options.KeepMS > 0); err != nil {
			return err
		}
	}
	return nil
}

func (g *Group) check(keep bool) error {
	for i := range g.Positions {
		q := &g.Positions[i]
		if i > 0 {
			prev := &g.Positions[i-1]
			if prev.Topic > q.Topic || prev.Topic == q.Topic && prev.Partition >= q.Partition {
				return fmt.Errorf("%w: group %q: positions are not in order at %s", ErrNoPlan, g.Name, q.Target())
			}
		}
		if (q.Action == New || q.Action == Change) && (q.After == nil || q.After.Offset < 0 || q.Blocked) {
			return fmt.Errorf("%w: group %q: %s is to be set to nothing", ErrNoPlan, g.Name, q.Target())
		}
		if q.Action == Keep && (!keep || q.Blocked || q.After == nil || q.After.Offset < 0 || !q.Before.same(q.After)) {
			return fmt.Errorf("%w: group %q: %s is to be kept, and is not as it is or for no time", ErrNoPlan, g.Name, q.Target())
		}
	}
	return nil
}
