import { useQuery } from "@tanstack/react-query";
import { History } from "lucide-react";
import type { Operation } from "../../api/types.ts";
import { CopyCommand } from "../../ui/action.tsx";
import { Awaited, Empty, Panel } from "../../ui/panel.tsx";
import { cli } from "../cli.ts";
import { OperationRow } from "../operations/operation-row.tsx";
import { UnderWay } from "../operations/under-way.tsx";
import { operationsQuery } from "../queries.ts";
import { SelfPanel } from "./self-panel.tsx";
import { WorkerVersions } from "./worker-versions.tsx";

const isUpgrade = (op: Operation): boolean => op.kind.startsWith("upgrade");

/** Versions: of the daemon, of each worker, what is under way, and what was done. */
export function Upgrades({ frozen }: { frozen: boolean }) {
  const operations = useQuery(operationsQuery);
  const all = operations.data?.filter(isUpgrade);
  const ended = all?.filter((op) => op.status !== "running") ?? [];
  return (
    <div className="space-y-4">
      <h1 className="sr-only">Upgrades</h1>
      <UnderWay about={isUpgrade} frozen={frozen} />
      <SelfPanel frozen={frozen} />
      <WorkerVersions frozen={frozen} />
      <Panel title="History" aside={<CopyCommand command={cli("operations")} />}>
        {all === undefined ? (
          <Awaited query={operations} what="The history could not be loaded" />
        ) : ended.length === 0 ? (
          <Empty icon={History} title="Nothing was upgraded yet" command={cli("upgrade", "--all", "--dry-run")}>
            Upgrades of workers and of the daemon are kept here, with what came of them.
          </Empty>
        ) : (
          <ul className="divide-y divide-line">
            {ended.map((op) => (
              <OperationRow key={op.id} op={op} frozen={frozen} />
            ))}
          </ul>
        )}
      </Panel>
    </div>
  );
}
