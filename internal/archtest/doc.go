// Package archtest holds the rules about the shape of this repository as
// tables, and the checks that its own tests run over the working tree:
//
//   - rules.go: which package may import which, directly and through others,
//     and which packages may name a heavy third-party module
//   - tree.go: reading the working tree
//   - check.go: applying the rules to an import graph
//   - text.go: what every file, package comment and document must satisfy
//
// The tree is parsed here instead of asking `go list`, because the result of a
// test that runs another program is served from the test cache: a breach in a
// package the test does not import would stay green. Every file is read
// whatever its build constraints say, so a breach in a Windows file fails on
// Linux too.
package archtest
