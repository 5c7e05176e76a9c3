// Package testkit starts the real parts that tests run against. It is for
// tests only; nothing that ships imports it.
package testkit
