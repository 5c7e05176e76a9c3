// Package pgserver starts throw-away PostgreSQL clusters from the installed
// server, reached by a Unix socket in a folder of their own. It is for tests
// and measurements; nothing that ships imports it.
package pgserver
