import { useCallback, useMemo } from "react";
import type { FusedWorker } from "../../api/types.ts";
import { setSearch, useRoute } from "../../lib/hash-route.ts";
import { type Picked, parsePicked, writePicked } from "../../log/picked.ts";
import { LogViewer } from "../../log/viewer.tsx";
import { workerLog } from "./worker-log.ts";
import { nameOf } from "./worker-state.ts";

/** The log of a worker: all that is held of it, and live. The lines that are picked stand in the address. */
export function LogTab({ worker }: { worker: FusedWorker }) {
  const { search } = useRoute();
  const name = nameOf(worker);
  const source = useMemo(() => workerLog(worker.id, name), [worker.id, name]);
  const lines = search.get("lines");
  const picked = useMemo(() => parsePicked(lines), [lines]);
  const onPick = useCallback((p: Picked | null) => setSearch({ lines: writePicked(p) }), []);
  return (
    <LogViewer
      source={source}
      label={`Log lines of ${name}`}
      marks={[
        ["out", "stdout"],
        ["err", "stderr"],
      ]}
      picked={picked}
      onPick={onPick}
      link={window.location.href}
      className="card h-[max(24rem,calc(100dvh-21rem))] overflow-hidden"
    />
  );
}
