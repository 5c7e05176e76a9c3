import { ScrollText } from "lucide-react";
import type { FusedWorker } from "../../api/types.ts";
import { goTo } from "../../lib/hash-route.ts";
import { useShortcuts } from "../../lib/keyboard.ts";
import { Id } from "../../ui/copy.tsx";
import { SortHead, TableHead } from "../../ui/table.tsx";
import { workerHref } from "../places.ts";
import { WorkerRowActions } from "./worker-actions.tsx";
import { LastEvent, Local, Remote, UsageCell, Version } from "./worker-cells.tsx";
import { nameOf, type SortKey } from "./worker-state.ts";

interface Props {
  workers: FusedWorker[];
  /** The daemon is away: what is shown is old, and nothing can be asked of it. */
  frozen: boolean;
  sort: SortKey;
  reverse: boolean;
  onSort: (key: SortKey) => void;
}

export function WorkersTable({ workers, frozen, sort, reverse, onSort }: Props) {
  useShortcuts([{ keys: "l", label: "Open the log of the row that has the focus", run: openLog }]);
  const head = (key: SortKey, label: string) => (
    <SortHead
      key={key}
      label={label}
      sorted={sort === key ? (reverse ? "descending" : "ascending") : undefined}
      onSort={() => onSort(key)}
    />
  );
  return (
    <table className="data stack wide" aria-label="Workers of this host">
      <TableHead
        columns={[
          head("name", "Worker"),
          head("state", "On this host"),
          "At the control plane",
          <th key="event" scope="col" className="max-lg:hidden">
            Last event
          </th>,
          head("memory", "Usage"),
        ]}
        actions
      />
      <tbody>
        {workers.map((worker) => (
          <Row key={worker.id} worker={worker} frozen={frozen} />
        ))}
      </tbody>
    </table>
  );
}

function openLog(): void {
  const row = document.activeElement?.closest<HTMLElement>("tr[data-worker]");
  if (row?.dataset.worker) goTo(workerHref(row.dataset.worker, "log"));
}

function Row({ worker, frozen }: { worker: FusedWorker; frozen: boolean }) {
  return (
    <tr data-worker={worker.id}>
      <td className="lead max-w-60">
        <div className="flex items-start gap-1">
          <a data-row href={workerHref(worker.id)} className="line-clamp-3 min-h-6 font-semibold hover:underline">
            <bdi>{nameOf(worker)}</bdi>
          </a>
          <a
            href={workerHref(worker.id, "log")}
            aria-label={`Log of ${nameOf(worker)}`}
            title="Log"
            className="inline-flex size-6 shrink-0 items-center justify-center rounded-sm text-muted hover:bg-sunken hover:text-text"
          >
            <ScrollText aria-hidden className="size-4" />
          </a>
        </div>
        <div className="text-sm text-muted">
          <Id id={worker.id} what="worker id" length={18} />
        </div>
        <Version worker={worker} />
        {worker.mode === "pool" && <div className="text-sm text-muted">of the pool</div>}
      </td>
      <td data-label="On this host">
        <Local worker={worker} />
      </td>
      <td data-label="Control plane">
        <Remote worker={worker} />
      </td>
      <td data-label="Last event" className="max-lg:sm:hidden">
        <LastEvent worker={worker} />
      </td>
      <td data-label="Usage">
        <UsageCell worker={worker} />
      </td>
      <td className="actions sm:text-right">
        <WorkerRowActions worker={worker} frozen={frozen} />
      </td>
    </tr>
  );
}
