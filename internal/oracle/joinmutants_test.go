package oracle

// joinMutants are mistakes about partitions that do not correspond one to one.
// The definition over random mixtures, and a mover that is played to its end,
// judge them.
var joinMutants = []mutant{
	{"the highest place of several", []edit{{"sink.go", "m.t < first.t", "m.t > first.t"}}},
	{"repeats of one that is at its end are not counted", []edit{{"sink.go", "\t\t\tsum += fl.n\n", "\t\t\tsum += 0\n"}}},
	{"passes that do not fit together", []edit{{"mixture.go", " || !inOrder(offsets[k:], want) {", " {"}}},
	{"the place that does for one does for all", []edit{{"mixture.go", "\t\t\tif c.last > best && !slices", "\t\t\tif c.last > best && slices"}}},
	{"off by one in a mixture", []edit{{"mixture.go", "return m.copies[i-1].pos + 1", "return m.copies[i-1].pos"}}},
	{"what is missing below a position", []edit{{"feeder.go", "case f.missing >= 0 && f.missing < s:", "case false:"}}},
	{"what others have overtaken", []edit{{"feeder.go", "return len(f.t.sinks) > 1 && !f.t.opt.CopyComplete", "return false"}}},
	{"records that are nowhere", []edit{{"feeder.go", "\t\tf.gaps[i]++\n", "\t\tf.late[i] += 0\n"}}},
	{"copies of other source partitions", []edit{{"header.go", "if ok && elsewhere(r, &known, s.req.Source.Partition) {", "if false {"}}},
}
