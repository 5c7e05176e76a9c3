import { useQuery } from "@tanstack/react-query";
import type { Operation } from "../../api/types.ts";
import { Panel } from "../../ui/panel.tsx";
import { operationsQuery } from "../queries.ts";
import { OperationRow } from "./operation-row.tsx";

/** The long actions that are under way, or those of them that a place is about; nothing while there is none. */
export function UnderWay({ about = () => true, frozen }: { about?: (op: Operation) => boolean; frozen: boolean }) {
  const running = useQuery(operationsQuery).data?.filter((op) => op.status === "running" && about(op)) ?? [];
  if (running.length === 0) return null;
  return (
    <Panel title="Under way">
      <ul className="divide-y divide-line">
        {running.map((op) => (
          <OperationRow key={op.id} op={op} frozen={frozen} />
        ))}
      </ul>
    </Panel>
  );
}
