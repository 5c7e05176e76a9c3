import { useQuery } from "@tanstack/react-query";
import { ListTree } from "lucide-react";
import type { Json, RemoteWorker, WorkerEvent } from "../../api/types.ts";
import { none } from "../../lib/format.ts";
import { Id } from "../../ui/copy.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Awaited, Empty, Facts, Panel } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { Ago, At } from "../../ui/time.tsx";
import { workerEventsQuery } from "../queries/workers.ts";
import { workerName, workerWord } from "./worker-words.ts";

/** A worker: what it is, and what it said of itself, the newest first, as it comes. */
export function WorkerDrawer({ worker: w, onClose }: { worker: RemoteWorker; onClose: () => void }) {
  return (
    <Dialog kind="drawer" title={workerName(w)} aside={<StateBadge state={workerWord(w)} />} onClose={onClose}>
      <div className="space-y-4 overflow-y-auto p-4">
        <Facts
          items={[
            ["Worker", <Id key="i" id={w.id} what="worker id" length={40} />],
            ["Host", w.host || w.hostname || none],
            ["Version", w.version ?? none],
            ["Run", w.currentRunId ? <Id key="r" id={w.currentRunId} what="run id" length={40} /> : "none in hand"],
            ["Last seen", <Ago key="l" at={w.lastSeenAt} />],
            ["Registered", <Ago key="j" at={w.registeredAt} />],
          ]}
        />
        <Events id={w.id} />
      </div>
    </Dialog>
  );
}

function Events({ id }: { id: string }) {
  const events = useQuery(workerEventsQuery(id));
  return (
    <Panel title="Events">
      {events.data ? (
        events.data.length > 0 ? (
          <ol className="divide-y divide-line" aria-label="Events, newest first">
            {[...events.data].reverse().map((e) => (
              <Event key={e.seq} event={e} />
            ))}
          </ol>
        ) : (
          <Empty icon={ListTree} title="No events yet">
            A worker says when it starts and stops, and when it cannot reach the control plane.
          </Empty>
        )
      ) : (
        <Awaited query={events} what="The events could not be loaded" lines={4} />
      )}
    </Panel>
  );
}

const words: Record<string, string> = {
  "worker.started": "Started",
  "worker.stopped": "Stopped",
  "poll.error": "Could not reach the control plane",
  "poll.recovered": "Reaches the control plane again",
  "concurrency.changed": "Changed how many runs it takes at a time",
};

function Event({ event: e }: { event: WorkerEvent }) {
  const detail = detailOf(e.data);
  return (
    <li className="flex flex-wrap gap-x-3 gap-y-0.5 px-3 py-2" data-event={e.seq}>
      <At at={e.ts} className="w-40 shrink-0 text-sm text-muted" />
      <div className="min-w-0 flex-1 basis-48">
        <p className={e.type === "poll.error" ? "text-bad" : ""} title={e.type}>
          {words[e.type] ?? e.type}
        </p>
        {detail && <p className="line-clamp-3 font-mono text-sm text-muted">{detail}</p>}
      </div>
    </li>
  );
}

/** What came with an event, on one line. */
function detailOf(data: Json | undefined): string {
  if (data === undefined || data === null || typeof data !== "object" || Array.isArray(data)) return "";
  return Object.entries(data)
    .map(([key, value]) => `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join("  ");
}
