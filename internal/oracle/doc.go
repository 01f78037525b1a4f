// Package oracle judges the translation of positions without knowing how it
// is done.
//
// It makes a source log (records, compaction holes, transaction markers,
// aborted data, retention), copies it the way movers do (several passes,
// restarts, partial re-copies, transactions of their own), loads both into
// something that can be read as translate reads, asks for positions, and
// judges every answer by brute force over all that it knows of both logs:
// the greatest good position by trying every one, and what a consumer meets
// from the answered position on, record by record.
//
//	Mover (mover.go) ──► Case (case.go) ──► Loader (kfake, memory, a real broker)
//	                        │                        │ translate.Log
//	                        ▼                        ▼
//	                     Judge (judge.go) ◄── the function under test
//	                        │
//	                        ├──► Tally (shares, table)
//	                        └──► Shrink ──► a Go table case
//
// It is for tests only.
package oracle
