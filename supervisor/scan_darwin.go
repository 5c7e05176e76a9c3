package supervisor

func listIDs() ([]procIDs, error) {
	all, err := listProcesses()
	if err != nil {
		return nil, err
	}
	out := make([]procIDs, 0, len(all))
	for _, p := range all {
		out = append(out, procIDs{p.pid, p.group, p.session})
	}
	return out, nil
}
