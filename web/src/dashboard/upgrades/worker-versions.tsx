import { useQuery } from "@tanstack/react-query";
import { CircleArrowUp, PackageCheck } from "lucide-react";
import type { FusedWorker } from "../../api/types.ts";
import { count, none } from "../../lib/format.ts";
import { ActButton, Action } from "../../ui/action.tsx";
import { Awaited, Empty, Panel } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { TableHead } from "../../ui/table.tsx";
import { upgradeAll } from "../actions.ts";
import { awayIf } from "../away.ts";
import { cli } from "../cli.ts";
import { workerHref } from "../places.ts";
import { workersQuery } from "../queries.ts";
import { rollBackAct, upgradeAct, workerScope } from "../workers/worker-acts.tsx";
import { Version } from "../workers/worker-cells.tsx";
import { inFlight, localWord, nameOf } from "../workers/worker-state.ts";
import { UpgradePlan } from "./lazy-plan.tsx";

/** Which version each worker runs, which it could run, and which it can go back to. */
export function WorkerVersions({ frozen }: { frozen: boolean }) {
  const workers = useQuery(workersQuery);
  const list = workers.data;
  return (
    <Panel title="Workers" aside={list && <AllAction workers={list} frozen={frozen} />}>
      {list === undefined ? (
        <Awaited query={workers} what="The workers could not be loaded" />
      ) : list.length === 0 ? (
        <Empty icon={PackageCheck} title="There are no workers to upgrade">
          When this host has workers, their versions stand here.
        </Empty>
      ) : (
        <table className="data stack">
          <TableHead columns={["Worker", "State", "Version", "Before"]} actions />
          <tbody>
            {list.map((worker) => (
              <tr key={worker.id} data-worker={worker.id}>
                <td className="lead max-w-72">
                  <a data-row href={workerHref(worker.id)} className="line-clamp-2 font-medium hover:underline">
                    <bdi>{nameOf(worker)}</bdi>
                  </a>
                </td>
                <td data-label="State">
                  <StateBadge state={localWord(worker.local)} />
                </td>
                <td data-label="Version">
                  <Version worker={worker} />
                </td>
                <td data-label="Before" className="text-sm text-muted">
                  {former(worker)}
                </td>
                <td className="actions">
                  <span className="flex flex-wrap gap-1.5 sm:justify-end">
                    {[upgradeAct(worker, frozen), rollBackAct(worker, frozen)].map(
                      (act) => act && <ActButton key={act.label} act={act} scope={workerScope(worker)} />,
                    )}
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}

function former(worker: FusedWorker): string {
  if (worker.previousPin === null) return none;
  return worker.previousPin || "the program of the host";
}

function AllAction({ workers, frozen }: { workers: FusedWorker[]; frozen: boolean }) {
  const old = behind(workers);
  if (old.length < 2) return null;
  const runs = old.reduce((sum, w) => sum + inFlight(w), 0);
  return (
    <Action
      label={`Upgrade ${count(old.length, "worker")}`}
      doing="Beginning…"
      icon={CircleArrowUp}
      variant="primary"
      scope="upgrade-all"
      unavailable={awayIf(frozen)}
      command={cli("upgrade", "--all")}
      confirm={{
        title: `Upgrade ${count(old.length, "worker")}?`,
        action: "Upgrade them",
        body: (
          <>
            <p>
              One after the other; the first is the canary, and the first that fails ends it. Each finishes the run that
              it has in hand and has to prove itself, or is put back as it was.
            </p>
            <UpgradePlan wanted={{ all: { workers: old.map((w) => w.id) } }} />
            <p className="text-muted">{runs === 0 ? "No run is in flight." : `${count(runs, "run")} in flight.`}</p>
          </>
        ),
      }}
      run={() => upgradeAll({ workers: old.map((w) => w.id) })}
      done="The upgrade has begun"
    />
  );
}

/** The workers that a newer version is out for, and that are not being upgraded. */
export const behind = (workers: FusedWorker[]): FusedWorker[] =>
  workers.filter((w) => w.versionStale && w.latestWorkerVersion !== null && !w.upgrade);
