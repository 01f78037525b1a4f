// Package translate finds, for a position S on a source partition, the equal
// position T on a copy of it: the offset from which a consumer meets every
// record at or above S once, in source order, and none below.
//
// It reads both logs through Log and writes nothing. Every position ends in
// exactly one Outcome, with the Proof that shows why; what cannot be decided
// is held or refused and never guessed.
//
// The flow for one partition (solver.run):
//
//	end ──► evidence ──► bracket S by probes ──► prove the rest of the log ──► neighbours
//	        (who says     (search.go)             (prove.go, read.go,          (proof.go)
//	         h(p)?)                                passes.go)
//
// Where copies carry no source offset, who says h(p) reads the source, too
// (aligner.go), and may leave open which of several equal records it is
// (doubt.go).
//
// h(p) is the source offset of the record that was copied to target offset p;
// a pass is a stretch of copies with rising h. Tests are only ever < and >=:
// neither S, nor S-1, nor T need exist as records.
package translate
