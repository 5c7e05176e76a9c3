import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { FusedWorker, WorkerExit } from "../../api/types.ts";
import { bytes, duration, none } from "../../lib/format.ts";
import { Awaited, Facts, Panel } from "../../ui/panel.tsx";
import { Sparkline } from "../../ui/sparkline.tsx";
import { TableHead } from "../../ui/table.tsx";
import { Ago, At } from "../../ui/time.tsx";
import { UnderWay } from "../operations/under-way.tsx";
import { workerQuery } from "../queries.ts";
import { evenly, useUsage } from "../usage.ts";
import { cpuText, LastEvent, Local, Remote, Version } from "./worker-cells.tsx";
import { WorkerSettingsPanel } from "./worker-settings.tsx";

/** How a worker is as each source sees it, what it takes, what it is given and how its processes ended. */
export function WorkerOverview({ worker, frozen }: { worker: FusedWorker; frozen: boolean }) {
  const detail = useQuery(workerQuery(worker.id));
  return (
    <div className="space-y-4">
      <UnderWay about={(op) => op.workerId === worker.id} frozen={frozen} />
      <div className="grid grid-cols-1 gap-4 md:grid-cols-2">
        <Panel title="State">
          <Facts
            className="p-3"
            items={[
              ["On this host", <Local key="l" worker={worker} />],
              ["Control plane", <Remote key="r" worker={worker} />],
              ["Last event", <LastEvent key="e" worker={worker} />],
              ["Version", <Version key="v" worker={worker} />],
              ["Wanted", wanted(worker)],
              [
                "Registered at",
                <span key="u" className="font-mono text-sm">
                  {worker.apiUrl}
                </span>,
              ],
              ["Mode", worker.mode === "pool" ? "shared pool" : "workspace"],
              ...(worker.pin ? ([["Pinned to", worker.pin]] as [string, string][]) : []),
            ]}
          />
        </Panel>
        <UsagePanel worker={worker} />
      </div>
      {detail.data ? (
        <>
          <WorkerSettingsPanel worker={worker} settings={detail.data.settings} frozen={frozen} />
          <Exits exits={detail.data.exits ?? []} />
        </>
      ) : (
        <Panel title="Settings">
          <Awaited query={detail} what="The settings could not be loaded" />
        </Panel>
      )}
    </div>
  );
}

function wanted(worker: FusedWorker): string {
  const process = worker.running ? "kept running" : "kept stopped";
  return `${process}, ${worker.enabled ? "given work" : "given no work"}`;
}

function UsagePanel({ worker }: { worker: FusedWorker }) {
  const samples = useUsage(worker.id);
  const local = worker.local;
  const last = samples.at(-1);
  const row = (label: string, now: string, values: (number | null)[]): [string, ReactNode] => [
    label,
    <span key={label} className="flex items-center gap-3 tabular-nums">
      <span className="w-20 shrink-0">{now}</span>
      {values.length > 2 && (
        <Sparkline values={values} label={`${label} lately, now ${now}`} className="h-8 w-full max-w-56" />
      )}
    </span>,
  ];
  return (
    <Panel
      title="Usage"
      aside={
        samples.length > 2 && samples[0] ? (
          <span className="text-sm text-muted">
            since <Ago at={samples[0].at} />
          </span>
        ) : null
      }
    >
      <Facts
        className="p-3"
        items={[
          row(
            "Memory",
            bytes(local?.memoryBytes),
            evenly(samples, (s) => s.memory),
          ),
          row(
            "Processors",
            cpuText(last?.cpu ?? null),
            evenly(samples, (s) => s.cpu),
          ),
          ["Processor time", local?.cpuSeconds === null || !local ? none : duration(local.cpuSeconds * 1_000)],
          ["Log on disk", bytes(local?.logBytes)],
          ...(local && local.logDropped > 0
            ? ([["Lines lost", `${local.logDropped}; the disk took them not`]] as [string, string][])
            : []),
          ...(local?.notLimited ? ([["Not limited", local.notLimited]] as [string, string][]) : []),
        ]}
      />
      <p className="border-t border-line px-3 py-2 text-sm text-muted">
        Of all its processes together. The daemon keeps the last hour, and none of it when it ends.
      </p>
    </Panel>
  );
}

/** How its last processes ended, newest first. */
function Exits({ exits }: { exits: WorkerExit[] }) {
  return (
    <Panel
      title="How its processes ended"
      aside={exits.length > 0 ? <span className="text-sm text-muted">the last {exits.length}</span> : null}
    >
      {exits.length === 0 ? (
        <p className="p-3 text-muted">No process of this worker has ended yet.</p>
      ) : (
        <table className="data stack">
          <TableHead columns={["Ended", "How", "Ran for", "Start"]} />
          <tbody>
            {exits.map((exit) => (
              <tr key={`${exit.generation} ${exit.endedAt}`}>
                <td data-label="Ended">
                  <At at={exit.endedAt} />
                </td>
                <td data-label="How">
                  {howText(exit)}
                  {exit.detail && <div className="text-sm text-muted">{exit.detail}</div>}
                </td>
                <td data-label="Ran for" className="tabular-nums">
                  {exit.startedAt > 0 ? duration(exit.endedAt - exit.startedAt) : none}
                </td>
                <td data-label="Start" className="text-muted tabular-nums">
                  no. {exit.generation}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}

function howText(exit: WorkerExit): string {
  if (exit.how === "not-started") return "could not be started";
  if (exit.signal) return `killed by ${exit.signal}`;
  if (exit.code !== null) return exit.code === 0 ? "ended normally" : `exit code ${exit.code}`;
  return "not known; the daemon was away";
}
