import { useQuery } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, CornerDownRight, Play, Wrench } from "lucide-react";
import { memo, useCallback, useLayoutEffect, useRef, useState } from "react";
import type { FusedWorker, LocalRun, LocalRunEvent } from "../../api/types.ts";
import { bytes, count } from "../../lib/format.ts";
import { setSearch, useRoute } from "../../lib/hash-route.ts";
import { CopyCommand } from "../../ui/action.tsx";
import { Button } from "../../ui/button.tsx";
import { CopyButton, Id } from "../../ui/copy.tsx";
import { Awaited, Empty, Failure, Loading, Panel } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { Ago, LogTime } from "../../ui/time.tsx";
import { describe } from "../../ui/toast.tsx";
import { cli } from "../cli.ts";
import { runsQuery } from "../queries.ts";
import { runPieces, runText } from "./run-text.ts";
import { useRunEvents } from "./use-run-events.ts";
import { nameOf } from "./worker-state.ts";

/** The runs that a worker left events of, and what happens in the one that is chosen: the newest, if none is. */
export function RunsTab({ worker }: { worker: FusedWorker }) {
  const { search } = useRoute();
  const runs = useQuery(runsQuery(worker.id));
  const list = runs.data;
  const chosen = search.get("run") ?? list?.[0]?.runId ?? null;
  if (list === undefined) {
    return (
      <div className="card">
        <Awaited query={runs} what="The runs could not be loaded" />
      </div>
    );
  }
  if (list.length === 0 && chosen === null) {
    return (
      <div className="card">
        <Empty icon={Play} title="No run has left events here yet" command={cli("runs", worker.id)}>
          Tasks that work with Claude write down what it says and does. {nameOf(worker)} has run none on this host, or
          what they wrote was too old to be kept. A new run appears here by itself.
        </Empty>
      </div>
    );
  }
  return (
    <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-[18rem_minmax(0,1fr)]">
      <Panel title="Runs" aside={<span className="text-sm text-muted">{list.length}</span>}>
        <ul className="max-h-56 divide-y divide-line overflow-y-auto lg:max-h-[calc(100dvh-21rem)]">
          {list.map((run) => (
            <RunItem key={run.runId} run={run} chosen={run.runId === chosen} live={run.runId === worker.currentRunId} />
          ))}
        </ul>
      </Panel>
      {chosen && <RunEvents key={chosen} worker={worker} run={chosen} />}
    </div>
  );
}

function RunItem({ run, chosen, live }: { run: LocalRun; chosen: boolean; live: boolean }) {
  return (
    <li>
      <button
        data-row
        type="button"
        aria-current={chosen || undefined}
        onClick={() => setSearch({ run: run.runId })}
        className="flex w-full flex-wrap items-center gap-x-2 gap-y-0.5 px-3 py-2 text-left -outline-offset-2 hover:bg-sunken aria-[current=true]:bg-sunken aria-[current=true]:shadow-[inset_3px_0_var(--accent)]"
      >
        <span className="min-w-0 flex-1 truncate font-mono text-sm" title={run.runId}>
          {run.runId.slice(0, 24)}
        </span>
        {live && <StateBadge state="running" />}
        <span className="w-full text-sm text-muted">
          <Ago at={run.updatedAt} /> · {bytes(run.bytes)}
        </span>
      </button>
    </li>
  );
}

const nearEnd = 24;

function RunEvents({ worker, run }: { worker: FusedWorker; run: string }) {
  const { events, cut, error } = useRunEvents(worker.id, run);
  const [follow, setFollow] = useState(true);
  const box = useRef<HTMLElement>(null);
  const list = events ?? [];
  const rows = useVirtualizer({
    count: list.length,
    getScrollElement: () => box.current,
    estimateSize: () => 24,
    getItemKey: useCallback((i: number) => list[i]?.seq ?? i, [list]),
    overscan: 12,
  });
  const last = list.at(-1)?.seq;
  // biome-ignore lint/correctness/useExhaustiveDependencies: every new event moves the end
  useLayoutEffect(() => {
    if (follow && list.length > 0) rows.scrollToIndex(list.length - 1, { align: "end" });
  }, [follow, last]);
  return (
    <Panel
      title="Events"
      aside={
        <span className="flex min-w-0 flex-wrap items-center gap-2 text-sm text-muted">
          <Id id={run} what="run id" length={28} />
          <CopyCommand command={cli("runs", worker.id, run, "-f")} />
          {events && <span role="status">{count(events.length, "event")}</span>}
        </span>
      }
    >
      {events === null ? (
        error ? (
          <Failure what="The events could not be loaded; it is tried again" error={error} />
        ) : (
          <Loading lines={5} />
        )
      ) : events.length === 0 ? (
        <p className="p-6 text-center text-muted">This run has no events yet. They appear here as they are written.</p>
      ) : (
        <div className="relative">
          {cut && (
            <p className="border-b border-line px-3 py-1 text-sm text-muted">Only the newest events are shown.</p>
          )}
          <section
            ref={box}
            aria-label={`Events of run ${run}`}
            // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
            tabIndex={0}
            onScroll={() => {
              const view = box.current;
              if (view) setFollow(view.scrollHeight - view.scrollTop - view.clientHeight <= nearEnd);
            }}
            className="h-[max(20rem,calc(100dvh-24rem))] overflow-auto bg-bg py-1.5 text-sm -outline-offset-2 [overflow-anchor:none]"
          >
            <div className="relative" style={{ height: rows.getTotalSize() }}>
              {rows.getVirtualItems().map((row) => {
                const event = list[row.index];
                if (!event) return null;
                return (
                  <div
                    key={row.key}
                    ref={rows.measureElement}
                    data-index={row.index}
                    className="absolute top-0 left-0 w-full"
                    style={{ transform: `translateY(${row.start}px)` }}
                  >
                    <EventLine event={event} />
                  </div>
                );
              })}
            </div>
          </section>
          {!follow && (
            <Button
              variant="primary"
              size="sm"
              icon={ArrowDown}
              className="absolute right-5 bottom-4 shadow-raised"
              onClick={() => setFollow(true)}
            >
              To the newest
            </Button>
          )}
          {error !== null && (
            <p role="alert" className="border-t border-line px-3 py-1 text-sm text-bad">
              New events could not be loaded; it is tried again. {describe(error)}
            </p>
          )}
        </div>
      )}
    </Panel>
  );
}

const EventLine = memo(function EventLine({ event }: { event: LocalRunEvent }) {
  const at = Date.parse(event.ts);
  const bad = event.type === "stderr" || event.type === "error";
  return (
    <div className="group flex gap-3 px-3 py-0.5 hover:bg-sunken">
      <span className="w-10 shrink-0 text-right font-mono text-xs leading-5 text-muted tabular-nums select-none">
        #{event.seq}
      </span>
      <span className="font-mono text-xs leading-5 max-sm:hidden">{Number.isFinite(at) && <LogTime ms={at} />}</span>
      <span className={`w-20 shrink-0 truncate ${bad ? "text-bad" : "text-muted"}`} title={event.type}>
        {event.type}
      </span>
      <bdi className={`min-w-0 flex-1 whitespace-pre-wrap ${bad ? "text-bad" : ""}`}>
        {runPieces(event.payload).map((piece, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: an event does not change
          <span key={i} className={piece.kind === "text" ? "mr-2" : "mr-2 font-mono text-xs text-muted"}>
            {piece.kind === "tool" && <Wrench aria-label="calls" className="mr-1 inline size-3.5 text-run" />}
            {piece.kind === "result" && <CornerDownRight aria-label="got" className="mr-1 inline size-3.5 text-ok" />}
            {piece.text}
          </span>
        ))}
      </bdi>
      <CopyButton
        text={runText(event.payload)}
        label="Copy event"
        className="-my-0.5 opacity-0 group-hover:opacity-100 focus-visible:opacity-100"
      />
    </div>
  );
});
