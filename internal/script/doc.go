// Package script writes bash scripts that do with Kafka's own command-line
// tools what kferry would do itself: set and delete positions of groups, create
// topics. A script is read by people before it is run, where kferry is not
// installed. It trusts no exit code of those tools, since they exit with 0 on
// most errors (ConsumerGroupCommand.run catches everything): it compares what
// they print, and reads back what is there.
//
// The package is pure: it turns values into text. The parts of the scripts that
// never change are the .bash files beside it.
package script
