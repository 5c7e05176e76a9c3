import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { KeyRound } from "lucide-react";
import type { Enrollment } from "../../api/types.ts";
import { instant, none, shellQuote } from "../../lib/format.ts";
import { Action } from "../../ui/action.tsx";
import { Awaited, Empty, Failure, Panel } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { TableHead } from "../../ui/table.tsx";
import { Ago, Until } from "../../ui/time.tsx";
import { useMay } from "../gate.tsx";
import { enrollmentsQuery, pendingQuery, revokeEnrollment } from "../queries/enrollments.ts";

/** Hosts that wait for somebody's word. */
export function PendingHosts() {
  const pending = useQuery(pendingQuery);
  if (pending.isError && !pending.data) {
    return (
      <div className="card">
        <Failure
          what="The hosts that wait could not be loaded"
          error={pending.error}
          retry={() => void pending.refetch()}
        />
      </div>
    );
  }
  if (!pending.data?.length) return null;
  return (
    <Panel title="Waiting for approval">
      <ul className="divide-y divide-line">
        {pending.data.map((e) => (
          <li key={e.id} className="flex flex-wrap items-center gap-x-4 gap-y-2 px-3 py-2.5">
            <div className="min-w-0 flex-1 basis-56">
              <p className="line-clamp-2 font-semibold">{e.hostname || e.label || "Host without a name"}</p>
              <p className="text-sm text-muted">
                {[e.os, e.address].filter(Boolean).join(" · ")} · asked <Ago at={e.createdAt} />
              </p>
            </div>
            {e.userCode && <code className="font-mono text-lg font-semibold tracking-wider">{e.userCode}</code>}
            <Link
              data-row
              to="/activate"
              search={e.userCode ? { code: e.userCode } : {}}
              className="inline-flex min-h-9 items-center rounded-md border border-outline px-3 font-medium hover:bg-sunken"
            >
              Review
            </Link>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** What can still be taken back: a host that was let in and has not come yet, and a code that nobody used. */
const unused = (e: Enrollment) => ["pending", "approved"].includes(e.status);

/** Everything that asked to join, or was issued for it. */
export function Joining() {
  const all = useQuery(enrollmentsQuery);
  if (!all.data) {
    return (
      <div className="card">
        <Awaited query={all} what="The enrolments could not be loaded" lines={4} />
      </div>
    );
  }
  if (all.data.length === 0) {
    return (
      <div className="card">
        <Empty icon={KeyRound} title="Nothing has asked to join" command="pipeweave enrollments issue --label build-7">
          Hosts that asked, and codes that admit one without asking, stand here. Issue a code:
        </Empty>
      </div>
    );
  }
  return (
    <div className="card overflow-hidden">
      <table className="data stack" aria-label="Enrolments">
        <TableHead columns={["Host", "State", "Decided", "Expires"]} actions />
        <tbody>
          {all.data.map((e) => (
            <Row key={e.id} enrollment={e} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ enrollment: e }: { enrollment: Enrollment }) {
  const admits = useMay("admin");
  const name = e.hostname || e.label || e.id;
  const what = e.kind === "code" ? "code" : "pairing";
  return (
    <tr data-enrollment={e.id}>
      <td className="lead">
        <span className="line-clamp-2 font-semibold">{name}</span>
        <p className="text-sm text-muted">
          {e.kind === "code" ? "One-time code" : [e.os, e.address].filter(Boolean).join(" · ")} ·{" "}
          <Ago at={e.createdAt} />
        </p>
      </td>
      <td data-label="State">
        <span>
          <StateBadge state={e.status} {...(e.kind === "code" && e.status === "approved" ? { label: "Ready" } : {})} />
        </span>
      </td>
      <td data-label="Decided">
        {e.decidedAt ? (
          <span>
            <Ago at={e.decidedAt} />
            {e.decidedBy && <span className="block text-sm text-muted">by {e.decidedBy}</span>}
          </span>
        ) : (
          none
        )}
      </td>
      <td data-label="Expires">{unused(e) ? <Until at={instant(e.expiresAt) ?? 0} /> : <span>{none}</span>}</td>
      <td className="actions sm:text-right">
        {e.status === "pending" && e.kind === "device" ? (
          <Link to="/activate" search={e.userCode ? { code: e.userCode } : {}} className="link">
            Review
          </Link>
        ) : (
          admits &&
          unused(e) && (
            <Action
              label="Revoke"
              doing="Revoking…"
              variant="danger"
              name={`Revoke the ${what} of ${name}`}
              command={`pipeweave enrollments revoke ${shellQuote(e.id)}`}
              confirm={{
                title: `Revoke the ${what} of ${name}?`,
                body: <p>Nobody joins by it any more. A host that has joined already is not touched.</p>,
                action: "Revoke it",
                danger: true,
              }}
              run={() => revokeEnrollment(e.id)}
              done={`The ${what} of ${name} is revoked`}
            />
          )
        )}
      </td>
    </tr>
  );
}
