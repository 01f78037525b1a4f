package cli

import (
	"fmt"

	"github.com/kferry/kferry/internal/plan"
)

// showBack shows a plan, and of one that leads back every record that has no
// place where it leads to.
func (v planView) showBack(p *plan.Plan) error {
	if err := v.show(p); err != nil {
		return err
	}
	for i := range p.Groups {
		g := &p.Groups[i]
		for j := range g.Positions {
			q := &g.Positions[j]
			if q.OnlyThere == nil {
				continue
			}
			v.linef("\n%s", v.paint.bold(clean(fmt.Sprintf("%s %s: records without a place on %s", g.Name, q.Target(), clusterName(p.Target)))))
			v.onlyThere(q)
		}
	}
	return nil
}
