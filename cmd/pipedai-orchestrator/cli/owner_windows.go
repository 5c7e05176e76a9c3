package cli

// foreignOwner names the owner of a folder that is not this process's user's.
// On Windows the folder's access list says who may use it; nothing is guessed.
func foreignOwner(string) (name string, foreign bool) { return "", false }
