package supervisor

func listSessions() ([]member, error) {
	all, err := listProcesses()
	if err != nil {
		return nil, err
	}
	out := make([]member, 0, len(all))
	for _, p := range all {
		out = append(out, member{p.pid, p.session})
	}
	return out, nil
}
