import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { ScrollText } from "lucide-react";
import type { AuditLine } from "../../api/types.ts";
import { instant } from "../../lib/format.ts";
import { type Column, sheetTime } from "../../lib/table-file.ts";
import { Button } from "../../ui/button.tsx";
import { Id } from "../../ui/copy.tsx";
import { CheckField, FilterText, SpanSelect } from "../../ui/field.tsx";
import { Awaited, Empty, Failure } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { TableHead } from "../../ui/table.tsx";
import { At } from "../../ui/time.tsx";
import { useFollow } from "../admin/follow.ts";
import { DownloadMenu, mostRows } from "../download-menu.tsx";
import { Only } from "../gate.tsx";
import { Heading } from "../parts.tsx";
import { type AuditFilter, allLines, auditQuery } from "../queries/audit.ts";

const route = getRouteApi("/audit");

export interface AuditSearch {
  [key: string]: unknown;
  actor?: string | undefined;
  action?: string | undefined;
  object?: string | undefined;
  hours?: number | undefined;
  follow?: true | undefined;
}

const columns = (zone: string, zoneName: string): Column<AuditLine>[] => [
  { name: `time (${zoneName})`, of: (l) => sheetTime(instant(l.at), zone) },
  { name: "who", of: (l) => l.actor },
  { name: "role", of: (l) => l.role },
  { name: "action", of: (l) => l.action },
  { name: "object", of: (l) => l.object },
  { name: "detail", of: (l) => l.detail },
  { name: "outcome", of: (l) => l.outcome },
  { name: "code", of: (l) => l.code },
  { name: "address", of: (l) => l.address },
  { name: "workspace", of: (l) => l.workspaceId },
  { name: "request", of: (l) => l.requestId },
];

export function AuditPage() {
  return (
    <Only needs="admin" what="The audit log">
      <Audit />
    </Only>
  );
}

function Audit() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const set = (change: AuditSearch) =>
    void navigate({ search: (old: AuditSearch) => ({ ...old, ...change }), replace: true });
  const filter: AuditFilter = {
    actor: search.actor,
    action: search.action,
    object: search.object,
    hours: search.hours,
  };
  const log = useInfiniteQuery(auditQuery(filter));
  const older = log.data?.pages.flatMap((p) => p.items ?? []);
  const follow = useFollow(filter, search.follow === true && older !== undefined, older?.[0]?.seq ?? 0);
  const lines = older ? [...follow.lines, ...older] : undefined;
  const filtered = Boolean(search.actor || search.action || search.object || search.hours);
  return (
    <>
      <Heading
        title="Audit"
        tab="Audit"
        below="Who did what to this control plane, and what somebody was kept from. Lines are never changed."
      >
        <DownloadMenu of="audit" read={() => allLines(filter, mostRows)} columns={columns} />
      </Heading>
      <search className="flex flex-wrap items-center gap-2">
        <FilterText label="Who, by name or token id" value={search.actor} onChange={(actor) => set({ actor })} first />
        <FilterText label="Action, such as host.pause" value={search.action} onChange={(action) => set({ action })} />
        <FilterText label="What, by its id" value={search.object} onChange={(object) => set({ object })} />
        <SpanSelect label="When" hours={search.hours} onChange={(hours) => set({ hours })} />
        <CheckField
          label="Follow"
          checked={search.follow ?? false}
          onChange={(e) => set({ follow: e.target.checked || undefined })}
        />
      </search>
      {follow.error !== null && (
        <div className="card">
          <Failure what="New lines could not be read; it tries again" error={follow.error} />
        </div>
      )}
      <div className="card overflow-hidden" aria-busy={log.isFetching}>
        {lines ? (
          lines.length > 0 ? (
            <Lines lines={lines} set={set} />
          ) : (
            <Empty
              icon={ScrollText}
              title={filtered ? "No line matches" : "Nothing was done yet"}
              {...(filtered
                ? { action: <Button onClick={() => void navigate({ search: {} })}>Clear the filters</Button> }
                : { command: "pipeweave audit --follow" })}
            >
              {filtered
                ? "There may be lines outside this filter."
                : "Every change that an operator or a host makes leaves a line here."}
            </Empty>
          )
        ) : (
          <Awaited query={log} what="The audit log could not be read" lines={8} />
        )}
      </div>
      {log.hasNextPage && (
        <Button pending={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>
          Older
        </Button>
      )}
      {log.isFetchNextPageError && (
        <div className="card">
          <Failure what="Older lines could not be read" error={log.error} retry={() => void log.fetchNextPage()} />
        </div>
      )}
    </>
  );
}

function Lines({ lines, set }: { lines: AuditLine[]; set: (change: AuditSearch) => void }) {
  return (
    <table className="data stack wide" aria-label="Audit log">
      <TableHead columns={["When", "Who", "What", "To", "Outcome"]} />
      <tbody>
        {lines.map((l) => (
          <tr key={l.seq} data-line={l.seq}>
            <td data-label="When">
              <At at={l.at} className="whitespace-nowrap" />
            </td>
            <td data-label="Who">
              <span className="min-w-0">
                {l.actor ? (
                  <button type="button" className="link line-clamp-1 text-left" onClick={() => set({ actor: l.actor })}>
                    {l.actor}
                  </button>
                ) : (
                  <span className="text-muted">Somebody unknown</span>
                )}
                <span className="block text-sm text-muted">
                  {[l.role || l.kind, l.address].filter(Boolean).join(" · ")}
                </span>
              </span>
            </td>
            <td data-label="What">
              <button
                type="button"
                className="text-left font-mono text-sm hover:underline"
                title="Only this action"
                onClick={() => set({ action: l.action })}
              >
                {l.action}
              </button>
            </td>
            <td data-label="To">
              <span className="min-w-0">
                {l.object && <Id id={l.object} what="id" length={22} />}
                {l.detail && (
                  <span className="line-clamp-2 text-sm wrap-anywhere text-muted" title={l.detail}>
                    {l.detail}
                  </span>
                )}
              </span>
            </td>
            <td data-label="Outcome">
              <span>
                <StateBadge state={l.outcome} title={l.requestId} />
                {l.code && <code className="block font-mono text-sm text-muted">{l.code}</code>}
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
