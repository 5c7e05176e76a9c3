import { CircleAlert } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import type { TaskRunEvent } from "../../api/types.ts";
import { count, instant } from "../../lib/format.ts";
import type { GraphNode, GraphState } from "../../lib/graph-state.ts";
import { FilterSelect } from "../../ui/field.tsx";
import { Failure, Loading } from "../../ui/panel.tsx";
import { LogTime } from "../../ui/time.tsx";
import { eventsAfter } from "../queries/runs.ts";
import { ChooseTask, taskOf } from "./choose-task.tsx";
import { sayEvent } from "./say-event.ts";

const pageSize = 500;
const kept = 5_000;
const everyMs = 1_500;

interface State {
  events: TaskRunEvent[];
  dropped: number;
  through: boolean;
  error: unknown;
}
const nothing: State = { events: [], dropped: 0, through: false, error: null };

/** The events of a task run: all there are, and those that come while it lasts. */
function useEvents(run: string, live: boolean): State & { retry: () => void } {
  const [state, setState] = useState(nothing);
  const [tries, setTries] = useState(0);
  const last = useRef(live);
  last.current = live;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another try begins anew
  useEffect(() => {
    const abort = new AbortController();
    setState(nothing);
    const read = async () => {
      for (let after = 0; !abort.signal.aborted; ) {
        const wasLive = last.current;
        const page = await eventsAfter(run, after, pageSize, abort.signal);
        const items = page.items ?? [];
        after = page.next;
        const through = items.length < pageSize;
        setState((old) => {
          const events = items.length === 0 ? old.events : [...old.events, ...items];
          const over = Math.max(0, events.length - kept);
          return { events: over ? events.slice(over) : events, dropped: old.dropped + over, through, error: null };
        });
        if (!through) continue;
        if (!wasLive) return;
        await new Promise((done) => setTimeout(done, everyMs));
      }
    };
    read().catch((error: unknown) => {
      if (!abort.signal.aborted) setState((old) => ({ ...old, error }));
    });
    return () => abort.abort();
  }, [run, tries]);
  return { ...state, retry: () => setTries(tries + 1) };
}

interface Props {
  graph: GraphState;
  task: string | undefined;
  onTask: (task: string) => void;
}

/** What the worker of a task told while it worked. */
export function RunEvents({ graph, task, onTask }: Props) {
  const node = taskOf(graph, task);
  return (
    <div className="card overflow-hidden">
      <div className="border-b border-line px-3 py-2.5">
        <ChooseTask graph={graph} value={node?.id ?? ""} onChange={onTask} />
      </div>
      {node?.run ? (
        <List key={node.run.id} node={node} />
      ) : (
        <p className="p-4 text-muted">This task has not begun, so nothing was told of it.</p>
      )}
    </div>
  );
}

function List({ node }: { node: GraphNode }) {
  const live = node.run?.completedAt === null;
  const { events, dropped, through, error, retry } = useEvents(node.run?.id ?? "", live);
  const [type, setType] = useState<string | undefined>();
  const box = useRef<HTMLElement>(null);
  const follow = useRef(true);
  const types = [...new Set(events.map((e) => e.type))].sort();
  const shown = type ? events.filter((e) => e.type === type) : events;
  const end = shown.at(-1)?.id;
  // biome-ignore lint/correctness/useExhaustiveDependencies: every new event moves the end
  useEffect(() => {
    if (follow.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [end]);
  if (events.length === 0) {
    if (error) return <Failure what="The events could not be loaded" error={error} retry={retry} />;
    if (!through) return <Loading lines={4} />;
    return (
      <p className="p-4 text-muted">
        {live
          ? "Nothing yet. Events appear here as the worker sends them."
          : "The worker told nothing of this task. Events are what a handler reports while it works, besides its log."}
      </p>
    );
  }
  return (
    <>
      <div className="flex flex-wrap items-center gap-3 border-b border-line px-3 py-2 text-sm text-muted">
        <FilterSelect label="Type of event" value={type} onChange={setType} first>
          <option value="">All types</option>
          {types.map((t) => (
            <option key={t}>{t}</option>
          ))}
        </FilterSelect>
        <span>
          {count(shown.length, "event")}
          {dropped > 0 && `; ${dropped} older ones are not shown`}
        </span>
        {live && <span className="tone-live tone-text font-medium">live</span>}
        {error !== null && (
          <span role="alert" className="flex items-center gap-1.5 text-bad">
            <CircleAlert aria-hidden className="size-4" />
            No new ones can be loaded.
            <button type="button" className="link" onClick={retry}>
              Retry
            </button>
          </span>
        )}
      </div>
      <section
        ref={box}
        aria-label={`Events of ${node.id}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
        tabIndex={0}
        onScroll={(e) => {
          const view = e.currentTarget;
          follow.current = view.scrollHeight - view.scrollTop - view.clientHeight < 24;
        }}
        className="max-h-[60vh] overflow-auto bg-bg py-1.5 font-mono text-xs leading-5 -outline-offset-2"
      >
        <ol>
          {shown.map((event) => (
            <Event key={event.id} event={event} />
          ))}
        </ol>
      </section>
    </>
  );
}

function Event({ event }: { event: TaskRunEvent }) {
  const ms = instant(event.ts);
  return (
    <li className="flex gap-x-3 px-3 hover:bg-sunken max-sm:flex-wrap" data-event={event.type}>
      {ms !== null && <LogTime ms={ms} />}
      <span
        className="w-14 shrink-0 truncate text-muted select-none"
        title={`Attempt ${event.attempt}, number ${event.seq}`}
      >
        {event.attempt}#{event.seq}
      </span>
      <span
        className={`w-24 shrink-0 truncate ${event.type === "stderr" ? "text-bad" : "text-muted"}`}
        title={event.type}
      >
        {event.type}
      </span>
      <span className="min-w-0 flex-1 whitespace-pre-wrap max-sm:basis-full">{sayEvent(event.payload)}</span>
    </li>
  );
}
