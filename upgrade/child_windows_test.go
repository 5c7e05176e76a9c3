package upgrade_test

// The children of the tests need signals, which Windows does not have.

func installAndDie() int { return 2 }

func attack(string) int { return 2 }
