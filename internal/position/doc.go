// Package position has committed offsets of consumer groups, sets of them, the
// selection of groups and topics, the route that gives them other names, and
// readers and writers of every file that holds offsets. It is pure: it reads
// and writes streams that it is given and knows of no cluster.
package position
