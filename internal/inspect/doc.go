// Package inspect looks at a topic and says what copied it, from where, how far
// that copy is, and whether positions can be exact on it.
//
// It looks at a few samples of each partition (Options.Full: at every record),
// takes the headers that movers leave, the topics that MirrorMaker 2 keeps, and,
// where the source is given, the source's own records. The order of evidence is
// that of translate: header, then offset syncs of MirrorMaker 2, then equal
// offsets, then equal contents. It decides nothing: what a plan does with a
// topic is translate's to say, position by position.
//
// The flow: survey reads the samples; recognise names header and encoding;
// tracks follow each source partition through each target partition; compare
// and the files beside it ask the source; judge turns it all into findings.
//
// It reads through translate.Log and never through a client, and writes nothing.
package inspect
