package sqlite

import (
	"context"
	"time"

	"pipedai/store"
)

const auditCols = `at, actor, kind, role, token, action, object, workspace_id, address, outcome, code, request_id, detail`

// AddAudit appends lines.
func (s *Store) AddAudit(ctx context.Context, lines ...store.AuditLine) error {
	if len(lines) == 0 {
		return nil
	}
	return s.write(ctx, "add to audit log", func(t *tx) error {
		for _, l := range lines {
			if l.At.IsZero() {
				l.At = t.now
			}
			if _, err := t.exec(`insert into audit (`+auditCols+`) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)`,
				us(l.At), l.Actor, l.Kind, l.Role, l.Token, l.Action, l.Object, l.Workspace, l.Address, l.Outcome, l.Code, l.RequestID, l.Detail); err != nil {
				return err
			}
		}
		return nil
	})
}

// AuditLines reads lines.
func (s *Store) AuditLines(ctx context.Context, f store.AuditFilter) ([]store.AuditLine, error) {
	order := `seq < ?8 or ?8 = 0) order by seq desc`
	if f.Oldest {
		order = `seq > ?8) order by seq`
	}
	return all(ctx, s, "read audit log", func(row scanner, l *store.AuditLine) error {
		return row.Scan(&l.Seq, timeCol{&l.At}, &l.Actor, &l.Kind, &l.Role, &l.Token, &l.Action, &l.Object, &l.Workspace,
			&l.Address, &l.Outcome, &l.Code, &l.RequestID, &l.Detail)
	}, `select seq, `+auditCols+` from audit
		where (?1 = '' or workspace_id = ?1) and (?2 = '' or actor = ?2 or token = ?2)
			and (?3 = '' or action = ?3 or substr(action, 1, length(?3) + 1) = ?3 || '.') and (?4 = '' or object = ?4)
			and (?5 is null or at >= ?5) and (?6 is null or at < ?6)
			and (`+order+` limit ?7`,
		f.Workspace, f.Actor, f.Action, f.Object, us(f.Since), us(f.Until), limitOf(f.Limit), f.Cursor)
}

// ForgetAudit deletes old lines.
func (s *Store) ForgetAudit(ctx context.Context, before time.Time, limit int) (int, error) {
	var forgotten int
	err := s.write(ctx, "forget audit log", func(t *tx) error {
		n, err := t.exec(`delete from audit where seq in (select seq from audit where at < ?1 order by at limit ?2)`, us(before), limit)
		forgotten = n
		return err
	})
	return forgotten, err
}
