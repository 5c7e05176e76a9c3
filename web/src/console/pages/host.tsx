import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Hourglass, Pencil, TriangleAlert } from "lucide-react";
import { type FormEvent, useState } from "react";
import { ApiError } from "../../api/client.ts";
import type { HostDetail } from "../../api/types.ts";
import { count, duration, none } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { Id } from "../../ui/copy.tsx";
import { AreaField } from "../../ui/field.tsx";
import { Awaited, Empty, Facts, Panel } from "../../ui/panel.tsx";
import { Ago, At } from "../../ui/time.tsx";
import { toast, toastError } from "../../ui/toast.tsx";
import { HostActions } from "../fleet/host-actions.tsx";
import { HoldWords, HostState, Version } from "../fleet/host-parts.tsx";
import { workerName } from "../fleet/worker-words.ts";
import { WorkersTable } from "../fleet/workers-table.tsx";
import { useMay } from "../gate.tsx";
import { History } from "../history.tsx";
import { drainOf, systemName } from "../host-filter.ts";
import { Heading } from "../parts.tsx";
import { enrollmentsQuery } from "../queries/enrollments.ts";
import { hostQuery, newestQuery, noteHost } from "../queries/hosts.ts";

const route = getRouteApi("/hosts/$id");

export function HostPage() {
  const { id } = route.useParams();
  const host = useQuery(hostQuery(id));
  const joinedBy = useEnrolments(host.data);
  const above = (
    <Link to="/hosts" className="hover:underline">
      Hosts
    </Link>
  );
  if (!host.data) {
    const missing = host.error instanceof ApiError && host.error.status === 404;
    return (
      <>
        <Heading title="Host" tab="Host" above={above} />
        <div className="card">
          {missing ? (
            <Empty title="There is no such host">It may belong to another workspace or another control plane.</Empty>
          ) : (
            <Awaited query={host} what="The host could not be loaded" lines={5} />
          )}
        </div>
      </>
    );
  }
  const h = host.data;
  return (
    <>
      <Heading
        title={<span className="line-clamp-2">{h.name}</span>}
        tab={h.name.slice(0, 60)}
        above={above}
        below={
          <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <HostState host={h} />
            {h.label && h.label !== h.name && <span className="line-clamp-1">{h.label}</span>}
          </span>
        }
      >
        <HostActions host={h} />
      </Heading>
      <Standing host={h} />
      <div className="grid grid-cols-1 gap-4 lg:grid-cols-2 lg:items-start">
        <About host={h} />
        <Note host={h} />
      </div>
      <Panel title="Workers">
        {h.items?.length ? (
          <WorkersTable workers={h.items} workspace={h.workspaceId} host={false} />
        ) : (
          <Empty title="It keeps no workers" command="pipedai-orchestrator build">
            A host takes work by its workers. Set one up on the host:
          </Empty>
        )}
      </Panel>
      <History object={h.id} also={joinedBy} />
    </>
  );
}

/** The requests by which a host joined, the newest first: who approved them belongs to its history. */
function useEnrolments(host: HostDetail | undefined): string[] {
  const enrollments = useQuery({ ...enrollmentsQuery, enabled: host !== undefined });
  const workers = new Set((host?.items ?? []).map((w) => w.id));
  return (enrollments.data ?? [])
    .filter((e) => host && (e.hostname === host.name || (e.workerId !== undefined && workers.has(e.workerId))))
    .map((e) => e.id)
    .slice(0, 3);
}

/** What is out of the ordinary: revoked, paused and draining, warnings. */
function Standing({ host: h }: { host: HostDetail }) {
  const drain = drainOf(h);
  const left = (h.items ?? []).filter((w) => w.currentRunId !== null);
  return (
    <>
      {h.status === "revoked" && (
        <p role="status" className="tone-bad tint rounded-lg border p-3">
          <span className="text-text">
            <strong className="font-semibold">This host is revoked</strong>
            {h.revokedBy && ` by ${h.revokedBy}`}, <Ago at={h.revokedAt} />. It may do nothing here until it connects
            anew and is approved.
          </span>
        </p>
      )}
      {drain && h.paused && (
        <section aria-label="Pause" data-drain={drain.left} className="tone-warn tint space-y-2 rounded-lg border p-3">
          <p className="flex items-start gap-2">
            <Hourglass aria-hidden className="mt-0.5 size-4 shrink-0" />
            <span className="text-text">
              <HoldWords hold={h.paused} />
            </span>
          </p>
          <p role="status" className="text-text">
            {drain.done ? (
              <strong className="font-semibold">Drained: nothing runs on it any more.</strong>
            ) : (
              `Draining: ${count(drain.left, "run")} in hand, of ${count(drain.of, "worker")}.`
            )}
          </p>
          {!drain.done && (
            <>
              <progress
                aria-label="Workers that have nothing in hand"
                className="h-1.5 w-full max-w-md"
                max={drain.of}
                value={drain.of - drain.left}
              />
              <ul className="flex flex-wrap gap-x-4 text-sm text-text">
                {left.slice(0, 6).map((w) => (
                  <li key={w.id} className="min-w-0">
                    {workerName(w)}: <Id id={w.currentRunId ?? ""} what="run id" length={18} />
                  </li>
                ))}
                {left.length > 6 && <li>and {left.length - 6} more</li>}
              </ul>
            </>
          )}
        </section>
      )}
      {h.status !== "revoked" && Math.abs(h.clockSkewMs) > 30_000 && (
        <p className="tone-warn tint flex items-start gap-2 rounded-lg border p-3">
          <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
          <span className="text-text">
            Its clock is {duration(Math.abs(h.clockSkewMs))} {h.clockSkewMs > 0 ? "ahead" : "behind"}. Times in its logs
            and events are off by as much. Set the clock of the host.
          </span>
        </p>
      )}
    </>
  );
}

function About({ host: h }: { host: HostDetail }) {
  const newest = useQuery(newestQuery).data?.pipedaiOrchestrator.latest;
  return (
    <Panel title="About this host">
      <Facts
        className="p-3"
        items={[
          ["Host", <Id key="i" id={h.id} what="host id" length={30} />],
          ["System", [systemName(h.os), h.osVersion].filter(Boolean).join(", ") || none],
          ["Processor", h.arch || none],
          ["Orchestrator", <Version key="v" version={h.version} newest={newest} />],
          ["Clock", h.lastSeenAt === null ? none : clockWords(h.clockSkewMs)],
          [
            "Can be told",
            (h.capabilities ?? []).map((c) => can[c] ?? c).join(", ") || (h.lastSeenAt === null ? none : "nothing"),
          ],
          ["Last seen", <Ago key="l" at={h.lastSeenAt} />],
          ["Joined", <At key="j" at={h.registeredAt} />],
        ]}
      />
    </Panel>
  );
}

const can: Record<string, string> = {
  "upgrade-workers": "to upgrade its workers",
  "upgrade-self": "to upgrade itself",
};

const clockWords = (ms: number) =>
  Math.abs(ms) < 1_000 ? "right" : `${duration(Math.abs(ms))} ${ms > 0 ? "ahead" : "behind"}`;

function Note({ host: h }: { host: HostDetail }) {
  const operates = useMay("operator");
  const [draft, setDraft] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await noteHost(h.id, (draft ?? "").trim());
      setDraft(null);
      toast("ok", "The note is kept");
    } catch (cause) {
      toastError("The note was not kept", cause);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Panel
      title="Note"
      aside={
        operates &&
        draft === null && (
          <Button size="sm" icon={Pencil} onClick={() => setDraft(h.note ?? "")}>
            {h.note ? "Change" : "Write one"}
          </Button>
        )
      }
    >
      {draft === null ? (
        <p className={`p-3 whitespace-pre-wrap ${h.note ? "" : "text-muted"}`}>
          {h.note || "Where it stands, who looks after it: nothing is noted."}
        </p>
      ) : (
        <form onSubmit={submit} className="space-y-3 p-3">
          <AreaField
            label="Note"
            autoFocus
            maxLength={1000}
            rows={3}
            value={draft}
            onChange={(e) => setDraft(e.target.value)}
          />
          <div className="flex justify-end gap-2">
            <Button onClick={() => setDraft(null)}>Leave as it was</Button>
            <Button type="submit" variant="primary" pending={busy}>
              Keep the note
            </Button>
          </div>
        </form>
      )}
    </Panel>
  );
}
