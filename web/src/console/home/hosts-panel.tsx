import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Server } from "lucide-react";
import type { Host } from "../../api/types.ts";
import { count } from "../../lib/format.ts";
import { Awaited, Empty, Panel } from "../../ui/panel.tsx";
import { lookOf, StateIcon } from "../../ui/state.tsx";
import { showsHost } from "../host-filter.ts";
import { hostsQuery, newestQuery } from "../queries/hosts.ts";

/** How the machines are: how many in which state, and how busy their workers are. */
export function HostsPanel() {
  const hosts = useQuery(hostsQuery);
  const newest = useQuery(newestQuery);
  return (
    <Panel
      title="Hosts"
      aside={
        <Link to="/hosts" className="link text-sm">
          All hosts
        </Link>
      }
    >
      {hosts.data ? (
        hosts.data.length > 0 ? (
          <Summary hosts={hosts.data} newest={newest.data?.pipedaiOrchestrator.latest ?? undefined} />
        ) : (
          <Empty
            icon={Server}
            title="No hosts yet"
            command={`pipedai-orchestrator connect --api-url ${window.location.origin}`}
          >
            A host is a machine that runs workers. Connect one:
          </Empty>
        )
      ) : (
        <Awaited query={hosts} what="The hosts could not be loaded" />
      )}
    </Panel>
  );
}

const states = ["online", "offline", "paused", "warning", "behind", "never"] as const;
const words: Partial<Record<string, string>> = { behind: "Not on the newest version" };

function Summary({ hosts, newest }: { hosts: Host[]; newest: string | undefined }) {
  const trusted = hosts.filter((h) => h.status !== "revoked");
  const workers = trusted.reduce((sum, h) => sum + h.workers, 0);
  const busy = trusted.reduce((sum, h) => sum + h.busy, 0);
  const rows = states
    .map((state) => [state, trusted.filter((h) => showsHost(h, { state }, newest)).length] as const)
    .filter(([state, n]) => n > 0 || state === "online");
  return (
    <>
      <ul className="divide-y divide-line">
        {rows.map(([state, n]) => (
          <li key={state}>
            <Link
              to="/hosts"
              search={{ state }}
              className="flex items-center gap-2 px-3 py-2 -outline-offset-2 hover:bg-sunken"
            >
              <StateIcon state={state === "behind" ? "old-key" : state} />
              <span className="flex-1">{words[state] ?? lookOf(state).label}</span>
              <span className="font-semibold tabular-nums">
                {n}
                {state === "online" && <span className="font-normal text-muted"> of {trusted.length}</span>}
              </span>
            </Link>
          </li>
        ))}
      </ul>
      <p className="border-t border-line px-3 py-2 text-sm text-muted">
        {count(workers, "worker")}, {busy} busy
      </p>
    </>
  );
}
