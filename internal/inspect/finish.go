package inspect

// finish computes what a full reading knows of holes and gives its memory back.
func (t *track) finish(full bool) {
	defer t.set.release()
	t.holes = -1
	if !full {
		t.repeats = -1
		return
	}
	all, ok := t.set.union()
	if !ok {
		t.repeats, t.fragmented = -1, true
		return
	}
	t.holes = 0
	for i := 1; i < len(all); i++ {
		g := run{all[i-1].to, all[i].from}
		t.holes += g.to - g.from
		if len(t.gaps) < mostGaps {
			t.gaps = append(t.gaps, g)
		}
	}
}

// running reports whether the mover went back and has not come back yet.
func (t *track) running() bool { return t.last < t.highest }
