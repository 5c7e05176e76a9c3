package controlplane

import (
	"context"
	"strconv"

	"pipedai/api"
	"pipedai/store"
)

// auditLog answers GET /api/v1/audit: the newest lines first, or with
// order=oldest the other way, for whoever follows. Admins of the default
// workspace see all of it, those of another one theirs.
func (s *Server) auditLog(ctx context.Context, _ none) (api.AuditLines, error) {
	q := queryOf(ctx)
	filter := store.AuditFilter{
		Actor: q.text("actor"), Action: q.text("action"), Object: q.text("object"), Workspace: store.WorkspaceID(q.text("workspaceId")),
		Since: q.time("since"), Until: q.time("until"),
		Limit: q.number("limit", 100, 1, 1000), Oldest: q.text("order") == "oldest",
	}
	if text := q.text("cursor"); text != "" {
		var err error
		if filter.Cursor, err = strconv.ParseInt(text, 10, 64); err != nil || filter.Cursor < 0 {
			q.problems.Add([]string{"cursor"}, "Invalid cursor")
		}
	}
	if order := q.text("order"); order != "" && order != "oldest" && order != "newest" {
		q.problems.Add([]string{"order"}, "Expected newest or oldest")
	}
	if err := q.err(); err != nil {
		return api.AuditLines{}, err
	}
	if own := caller(ctx).workspace; own != store.MainWorkspace {
		if filter.Workspace != "" && filter.Workspace != own {
			return api.AuditLines{}, errForbidden
		}
		filter.Workspace = own
	}
	lines, err := s.st.AuditLines(ctx, filter)
	if err != nil {
		return api.AuditLines{}, err
	}
	out := api.AuditLines{Items: make([]api.AuditLine, 0, len(lines))}
	for _, l := range lines {
		out.Items = append(out.Items, wireAuditLine(l))
	}
	if len(lines) == filter.Limit {
		next := strconv.FormatInt(lines[len(lines)-1].Seq, 10)
		out.NextCursor = &next
	}
	return out, nil
}

func wireAuditLine(l store.AuditLine) api.AuditLine {
	return api.AuditLine{
		Seq: l.Seq, At: api.At(l.At), Actor: l.Actor, Kind: l.Kind, Role: l.Role, Token: l.Token, Action: l.Action, Object: l.Object,
		Workspace: string(l.Workspace), Address: l.Address, Outcome: l.Outcome, Code: l.Code, RequestID: l.RequestID, Detail: l.Detail,
	}
}
