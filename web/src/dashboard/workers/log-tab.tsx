import { useCallback, useMemo } from "react";
import type { FusedWorker } from "../../api/types.ts";
import { parseRoute, routeHash, setSearch, useRoute } from "../../lib/hash-route.ts";
import { type Picked, parsePicked, writePicked } from "../../log/picked.ts";
import type { Line } from "../../log/source.ts";
import { LogViewer } from "../../log/viewer.tsx";
import { workerLog } from "./worker-log.ts";
import { nameOf } from "./worker-state.ts";

const streams: [Line["mark"], string][] = [
  ["out", "stdout"],
  ["err", "stderr"],
];

/** The address of what is on the page, with lines picked. */
function link(picked: Picked): string {
  const { path, search } = parseRoute(window.location.hash);
  return new URL(routeHash(path, { ...Object.fromEntries(search), lines: writePicked(picked) }), window.location.href)
    .href;
}

/** The log of a worker: all that is held of it, and live. The stream and the lines that are picked stand in the address. */
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
      marks={streams}
      mark={streams.find(([mark]) => mark === search.get("stream"))?.[0]}
      onMark={(mark) => setSearch({ stream: mark })}
      picked={picked}
      onPick={onPick}
      link={link}
      className="card h-[max(24rem,calc(100dvh-21rem))] overflow-hidden"
    />
  );
}
