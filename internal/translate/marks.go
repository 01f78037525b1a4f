package translate

import "slices"

// Marks is what a mover leaves in its copies, as the evidence knows it. A proof
// is kept together with it, so that it can be checked again without choosing
// any evidence anew.
type Marks struct {
	// Header and Encoding are where a copy names its source offset; "" where
	// the evidence is not a header.
	Header   string
	Encoding Encoding
	// Own are the names of the headers that the fingerprints leave out, on both
	// sides, sorted: the mover's own ones. Never nil.
	Own []string
	// All: the fingerprints leave out every header, as the mover changes them.
	All bool
}

// owns reports whether fingerprints leave out headers of that name.
func (m *Marks) owns(name string) bool { return m.All || slices.Contains(m.Own, name) }

// anyHeader is a name that nobody gives to a header of his own.
const anyHeader = "\x00any"

// marksOf writes down what ev leaves out. An evidence says it by a function,
// and the names that it can say yes to are those of the known movers and its
// own.
func marksOf(ev evidence) Marks {
	m := Marks{Own: []string{}, All: ev.own(anyHeader)}
	if m.All {
		return m
	}
	names := slices.Clone(moverHeaders)
	if h, ok := ev.(*header); ok {
		m.Header, m.Encoding = h.name, h.encoding
		names = append(names, h.name)
	}
	for _, name := range names {
		if ev.own(name) && !m.owns(name) {
			m.Own = append(m.Own, name)
		}
	}
	slices.Sort(m.Own)
	return m
}

// HeaderMarks are those of a proof of evidence header whose Marks were not kept:
// the encoding is not known, so what a copy names is not compared.
func HeaderMarks(name string) Marks {
	if name == "" {
		return Marks{Own: []string{}}
	}
	m := marksOf(&header{name: name})
	m.Header = ""
	return m
}
