import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Plus, Server } from "lucide-react";
import { useState } from "react";
import type { Host } from "../../api/types.ts";
import { count, none } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { FilterSelect, FilterText } from "../../ui/field.tsx";
import { Awaited, Empty } from "../../ui/panel.tsx";
import { lookOf } from "../../ui/state.tsx";
import { TableHead } from "../../ui/table.tsx";
import { type Tab, Tabs } from "../../ui/tabs.tsx";
import { Ago } from "../../ui/time.tsx";
import { HoldWords, HostState, SkewWarning, Version } from "../fleet/host-parts.tsx";
import { connectCommand, Install } from "../fleet/install.tsx";
import { Joining, PendingHosts } from "../fleet/joining.tsx";
import { PoolWorkers, useSeesPool } from "../fleet/pool.tsx";
import { AllWorkers } from "../fleet/workers-table.tsx";
import { useMay } from "../gate.tsx";
import { type HostsSearch, hostStates, showsHost, systemName } from "../host-filter.ts";
import { Heading } from "../parts.tsx";
import { pendingQuery } from "../queries/enrollments.ts";
import { hostsQuery, newestQuery } from "../queries/hosts.ts";

const route = getRouteApi("/hosts");

export function HostsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const admits = useMay("admin");
  const hosts = useQuery(hostsQuery);
  const pending = useQuery(pendingQuery);
  const set = (change: HostsSearch) =>
    void navigate({ search: (old: HostsSearch) => ({ ...old, ...change }), replace: true });
  const seesPool = useSeesPool();
  const tabs: Tab<"hosts" | "workers" | "pool" | "joining">[] = [
    { name: "hosts", label: "Hosts", ...(hosts.data ? { count: hosts.data.filter(trusted).length } : {}) },
    { name: "workers", label: "Workers" },
    ...(seesPool || search.view === "pool" ? [{ name: "pool" as const, label: "Pool" }] : []),
    { name: "joining", label: "Joining", ...(pending.data?.length ? { count: pending.data.length } : {}) },
  ];
  const view = search.view ?? "hosts";
  return (
    <>
      <Heading
        title="Hosts"
        tab="Hosts"
        below="Machines that joined this workspace, and the workers they keep running."
      >
        <Link to="/activate" className="link self-center">
          Enter a code
        </Link>
        {admits && (
          <Button
            variant={search.adding ? "secondary" : "primary"}
            icon={Plus}
            aria-expanded={search.adding ?? false}
            onClick={() => set({ adding: search.adding ? undefined : true })}
          >
            Add a host
          </Button>
        )}
      </Heading>
      {search.adding && <Install onClose={() => set({ adding: undefined })} />}
      <PendingHosts />
      <Tabs
        label="What of the hosts"
        tabs={tabs}
        value={view}
        onChange={(name) => set({ view: name === "hosts" ? undefined : name, q: undefined })}
      >
        {view === "hosts" && <HostList search={search} set={set} />}
        {view === "workers" && <AllWorkers search={search} set={set} />}
        {view === "pool" && <PoolWorkers search={search} set={set} />}
        {view === "joining" && <Joining />}
      </Tabs>
    </>
  );
}

const trusted = (h: Host) => h.status !== "revoked";

/** Rows are cheap, but not without end. */
const pageRows = 200;

function HostList({ search, set }: { search: HostsSearch; set: (change: HostsSearch) => void }) {
  const hosts = useQuery(hostsQuery);
  const newest = useQuery(newestQuery).data?.pipedaiOrchestrator.latest;
  const [most, setMost] = useState(pageRows);
  if (!hosts.data) {
    return (
      <div className="card">
        <Awaited query={hosts} what="The hosts could not be loaded" lines={5} />
      </div>
    );
  }
  const shown = hosts.data.filter((h) => showsHost(h, search, newest));
  const systems = [...new Set(hosts.data.map((h) => h.os ?? ""))].filter(Boolean).sort();
  const filtered = Boolean(search.q || search.state || search.os);
  return (
    <div className="space-y-3">
      <search className="flex flex-wrap items-center gap-2">
        <FilterText label="Name, note, version…" value={search.q} onChange={(q) => set({ q })} first />
        <FilterSelect label="State" value={search.state} onChange={(state) => set({ state })}>
          <option value="">Any state</option>
          {hostStates.map((s) => (
            <option key={s} value={s}>
              {s === "warning" ? "With a warning" : s === "behind" ? "Behind the newest" : lookOf(s).label}
            </option>
          ))}
        </FilterSelect>
        {systems.length > 1 && (
          <FilterSelect label="System" value={search.os} onChange={(os) => set({ os })}>
            <option value="">Any system</option>
            {systems.map((os) => (
              <option key={os} value={os}>
                {systemName(os)}
              </option>
            ))}
          </FilterSelect>
        )}
        <p className="ml-auto text-sm text-muted" role="status">
          {filtered ? `${shown.length} of ${hosts.data.length}` : count(shown.length, "host")}
        </p>
      </search>
      <div className="card overflow-hidden">
        {shown.length > 0 ? (
          <table className="data stack wide" aria-label="Hosts">
            <TableHead columns={["Host", "State", "System", "Orchestrator", "Workers", "Last seen"]} />
            <tbody>
              {shown.slice(0, most).map((h) => (
                <Row key={h.id} host={h} newest={newest} />
              ))}
            </tbody>
          </table>
        ) : filtered ? (
          <Empty
            icon={Server}
            title="No host matches"
            action={
              <Button onClick={() => set({ q: undefined, state: undefined, os: undefined })}>Clear the filters</Button>
            }
          >
            There may be hosts outside this filter.
          </Empty>
        ) : (
          <Empty icon={Server} title="No host has joined yet" command={connectCommand()}>
            Type this on the machine that is to do the work. It prints a code that an admin approves here; then it
            appears by itself.
          </Empty>
        )}
      </div>
      {shown.length > most && (
        <Button onClick={() => setMost(most + pageRows)}>
          Show {Math.min(pageRows, shown.length - most)} more of {shown.length}
        </Button>
      )}
    </div>
  );
}

function Row({ host: h, newest }: { host: Host; newest: string | undefined }) {
  return (
    <tr data-host={h.id}>
      <td className="lead">
        <Link data-row to="/hosts/$id" params={{ id: h.id }} className="link line-clamp-2 font-semibold" title={h.name}>
          {h.name}
        </Link>
        {h.label && h.label !== h.name && (
          <p className="line-clamp-1 text-sm text-muted" title={h.label}>
            {h.label}
          </p>
        )}
        {h.paused && (
          <p className="line-clamp-2 text-sm text-warn">
            <HoldWords hold={h.paused} />
          </p>
        )}
        <SkewWarning host={h} />
        {h.note && (
          <p className="line-clamp-1 text-sm text-muted" title={h.note}>
            {h.note}
          </p>
        )}
      </td>
      <td data-label="State">
        <HostState host={h} />
      </td>
      <td data-label="System">
        <span>
          {systemName(h.os) || none}
          <span className="block text-sm text-muted">{h.arch}</span>
        </span>
      </td>
      <td data-label="Orchestrator">
        <Version version={h.version} newest={newest} />
      </td>
      <td data-label="Workers">
        <span>
          {h.workers}
          <span className="block text-sm whitespace-nowrap text-muted">
            {[h.busy > 0 && `${h.busy} busy`, h.disabled > 0 && `${h.disabled} disabled`].filter(Boolean).join(", ")}
          </span>
        </span>
      </td>
      <td data-label="Last seen">
        <Ago at={h.lastSeenAt} className="whitespace-nowrap" />
      </td>
    </tr>
  );
}
