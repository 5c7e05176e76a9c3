package osservice

// Title names the manager to a person.
func (k Kind) Title() string {
	switch k {
	case Systemd:
		return "systemd"
	case SystemdUser:
		return "systemd, of this user"
	case Launchd:
		return "launchd"
	case NSSM:
		return "NSSM"
	default:
		return "Windows"
	}
}

// StartCommand is what a person types to have the manager start the service.
func (s *Service) StartCommand() string {
	switch s.kind {
	case Systemd:
		return "sudo systemctl start " + s.kind.Name()
	case SystemdUser:
		return "systemctl --user start " + s.kind.Name()
	case Launchd:
		return "launchctl load " + s.path
	default:
		return "sc start " + s.kind.Name()
	}
}

// LogCommand is what shows what the service said; log is the file that takes it
// where the manager keeps none.
func (k Kind) LogCommand(log string) string {
	switch k {
	case Systemd:
		return "journalctl -u " + k.Name()
	case SystemdUser:
		return "journalctl --user -u " + k.Name()
	case Windows:
		return "the event log"
	default:
		return "tail " + log
	}
}
