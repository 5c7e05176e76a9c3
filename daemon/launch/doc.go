// Package launch decides which version of the daemon runs. The service manager,
// and whoever types "start", always start the installed program. That one becomes
// the version which an upgrade confirmed, if there is one, and otherwise goes on
// by itself:
//
//	installed program ── pin, and its file is what was confirmed ──> pinned version
//	        │                       │
//	        │                       └ it ended soon after its start again and
//	        │                         again ──> the version before, at last the
//	        │                                   installed program
//	        └ no pin; or a package manager brought something newer
//
// What is confirmed lies in one file, self.json, apart from the manifest: it must
// be readable by every version of the program, also by one that cannot work with
// the manifest. Only the daemon, and who is about to become it, change the file;
// both hold the daemon's lock.
package launch
