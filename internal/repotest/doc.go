// Package repotest holds the rules of the repository that no linter knows, as
// tests over all of its files: one package comment per package, documented
// exports, sizes, error texts, links, changelog fragments, dependencies, and
// nothing that belongs to one machine.
package repotest
