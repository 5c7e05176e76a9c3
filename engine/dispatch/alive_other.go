//go:build !unix

package dispatch

// alive takes an idle connection for good where it cannot be asked. It is not
// kept for long.
func (c *conn) alive() bool { return true }
