import { ArrowDown, ArrowUp } from "lucide-react";
import type { FusedWorker } from "../../api/types.ts";
import { Id } from "../../ui/copy.tsx";
import { workerHref } from "../places.ts";
import { WorkerActions } from "./worker-actions.tsx";
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
  const head = (key: SortKey, label: string) => (
    <th scope="col" aria-sort={sort === key ? (reverse ? "descending" : "ascending") : undefined}>
      <button
        type="button"
        onClick={() => onSort(key)}
        className="-mx-1 inline-flex min-h-6 items-center gap-1 rounded-sm px-1 hover:text-text"
      >
        {label}
        {sort === key &&
          (reverse ? <ArrowUp aria-hidden className="size-3" /> : <ArrowDown aria-hidden className="size-3" />)}
      </button>
    </th>
  );
  return (
    <table className="data stack wide" aria-label="Workers of this host">
      <thead>
        <tr>
          {head("name", "Worker")}
          {head("state", "On this host")}
          <th scope="col">At the control plane</th>
          <th scope="col" className="max-lg:hidden">
            Last event
          </th>
          {head("memory", "Usage")}
          <th scope="col">
            <span className="sr-only">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {workers.map((worker) => (
          <Row key={worker.id} worker={worker} frozen={frozen} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ worker, frozen }: { worker: FusedWorker; frozen: boolean }) {
  return (
    <tr data-worker={worker.id}>
      <td className="lead max-w-60">
        <a data-row href={workerHref(worker.id)} className="line-clamp-3 min-h-6 font-semibold hover:underline">
          <bdi>{nameOf(worker)}</bdi>
        </a>
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
      <td className="actions sm:w-60">
        <WorkerActions worker={worker} frozen={frozen} compact />
      </td>
    </tr>
  );
}
