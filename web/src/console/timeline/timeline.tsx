import "./timeline.css";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ChevronLeft, ChevronRight, Maximize, Minus, Plus } from "lucide-react";
import { type ReactNode, useMemo, useRef, useState } from "react";
import type { RunDetail } from "../../api/types.ts";
import { count, duration, instant, shortId } from "../../lib/format.ts";
import type { GraphState } from "../../lib/graph-state.ts";
import { useNow } from "../../lib/now.ts";
import { absolute, inZone, localZone, zonePreference } from "../../lib/zone.ts";
import { Button, IconButton } from "../../ui/button.tsx";
import { FilterSelect } from "../../ui/field.tsx";
import { lookOf, StateIcon } from "../../ui/state.tsx";
import {
  fold,
  type Kind,
  mostRows,
  onlyAttempt,
  type Range,
  type Row,
  rangeOf,
  rowsOf,
  shift,
  ticks,
  zoom,
} from "./model.ts";

/** What of the time line the address says. */
export interface View {
  attempt?: number | "last" | undefined;
  /** A group of tasks that is unfolded. */
  group?: string | undefined;
  from?: number | undefined;
  to?: number | undefined;
}

interface Props {
  run: RunDetail;
  graph: GraphState;
  selected: string | undefined;
  onSelect: (task: string) => void;
  view: View;
  onView: (change: View) => void;
}

const rowHeight = 28;
const virtualFrom = 200;
const words: Record<Kind, string> = { waiting: "waits", queued: "queued", running: "running", backoff: "backs off" };

/** When each task waited, ran and backed off. A fifth of the tasks of a large run are never on the screen, so rows come as they are scrolled to. */
export default function Timeline({ run, graph, selected, onSelect, view, onView }: Props) {
  const clock = useNow();
  const over = instant(run.completedAt);
  const live = over === null;
  // A run that is over does not change with the clock.
  const now = live ? clock : over;
  const zone = zonePreference.use();
  const all = useMemo(
    () => rowsOf(graph.nodes, run.tasks ?? [], instant(run.startedAt ?? run.createdAt), over),
    [graph, run, over],
  );
  const attempts = useMemo(() => all.reduce((n, row) => Math.max(n, row.attempts), 0), [all]);
  const one = useMemo(() => onlyAttempt(all, view.attempt), [all, view.attempt]);
  const folded = useMemo(() => fold(one), [one]);
  const unfolded = view.group === undefined ? undefined : folded.members.get(view.group);
  const rows = unfolded ?? folded.rows;
  const whole = rangeOf(unfolded ?? one, now);
  const range: Range =
    view.from !== undefined && view.to !== undefined && view.to > view.from ? { from: view.from, to: view.to } : whole;
  const set = (next: Range) => {
    const fits = next.from <= whole.from && next.to >= whole.to;
    onView(fits ? { from: undefined, to: undefined } : { from: Math.floor(next.from), to: Math.ceil(next.to) });
  };
  const zoomed = range !== whole;
  return (
    <div className="gantt">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2 border-b border-line px-3 py-2">
        {attempts > 1 && (
          <FilterSelect
            label="Attempt"
            value={view.attempt?.toString()}
            onChange={(a) =>
              onView({ attempt: a === undefined || a === "last" ? a : Number(a), from: undefined, to: undefined })
            }
          >
            <option value="">All attempts</option>
            <option value="last">Last attempt of each task</option>
            {Array.from({ length: Math.min(attempts, 50) }, (_, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the number is what it is
              <option key={i} value={i + 1}>
                Attempt {i + 1}
              </option>
            ))}
          </FilterSelect>
        )}
        <Legend />
        <span className="ml-auto flex">
          <IconButton
            icon={ChevronLeft}
            label="Earlier"
            disabled={!zoomed}
            onClick={() => set(shift(range, -0.5, whole))}
          />
          <IconButton
            icon={ChevronRight}
            label="Later"
            disabled={!zoomed}
            onClick={() => set(shift(range, 0.5, whole))}
          />
          <IconButton icon={Plus} label="Zoom in" onClick={() => set(zoom(range, 0.5, whole))} />
          <IconButton icon={Minus} label="Zoom out" disabled={!zoomed} onClick={() => set(zoom(range, 2, whole))} />
          <IconButton icon={Maximize} label="Show all of it" disabled={!zoomed} onClick={() => set(whole)} />
        </span>
      </div>
      {all.length > mostRows && (
        <p className="flex flex-wrap items-center gap-2 border-b border-line bg-sunken px-3 py-1.5 text-sm text-muted">
          {unfolded ? (
            <>
              <Button
                size="sm"
                icon={ChevronLeft}
                onClick={() => onView({ group: undefined, from: undefined, to: undefined })}
              >
                All groups
              </Button>
              {view.group}: {count(unfolded.length, "task")}
            </>
          ) : (
            `${count(all.length, "task")} stand together by their names. Choose a group to see its tasks.`
          )}
        </p>
      )}
      <Axis range={range} zone={zone} />
      <Rows
        rows={rows}
        range={range}
        now={now}
        live={live}
        selected={selected}
        zone={zone}
        onChoose={(row) =>
          row.size > 1 ? onView({ group: row.id, from: undefined, to: undefined }) : onSelect(row.id)
        }
      />
      <p className="border-t border-line px-3 py-1.5 text-sm text-muted">
        {count(rows.length, "row")}, {duration(range.to - range.from)} of {duration(whole.to - whole.from)}, times in{" "}
        {zone === "local" ? `your zone (${localZone()})` : zone}
      </p>
    </div>
  );
}

function Legend() {
  const samples: [Kind, string][] = [
    ["waiting", "waits for others"],
    ["queued", "queued"],
    ["running", "running"],
    ["backoff", "backs off"],
  ];
  return (
    <ul className="flex flex-wrap items-center gap-x-3 text-sm text-muted">
      {samples.map(([kind, word]) => (
        <li key={kind} className="flex items-center gap-1.5">
          <span aria-hidden className="sample tone-run">
            <span className="bar" data-kind={kind} />
          </span>
          {word}
        </li>
      ))}
    </ul>
  );
}

const relativeBelow = 5_000;

/** The marks of a short time count from its beginning, as their words do; else they stand at round times of the day. */
const marksOf = (range: Range): number[] =>
  range.to - range.from < relativeBelow
    ? ticks({ from: 0, to: range.to - range.from }, 6).map((ms) => ms + range.from)
    : ticks(range, 6);

const place = (range: Range, from: number, to: number) => {
  const span = range.to - range.from;
  const left = Math.max(0, ((from - range.from) / span) * 100);
  const right = Math.min(100, ((to - range.from) / span) * 100);
  return right < 0 || left > 100
    ? null
    : // What is too short to be seen is a mark of its own, at the very end too.
      { left: `min(${left}%, 100% - 3px)`, width: `${Math.max(0, right - left)}%` };
};

function Axis({ range, zone }: { range: Range; zone: string }) {
  const span = range.to - range.from;
  const marks = marksOf(range);
  const shape = span > 172_800_000 ? "short" : span > 600_000 ? "minute" : "clock";
  const text = (at: number) => (span < relativeBelow ? `+${duration(at - range.from)}` : inZone(at, zone, shape));
  return (
    <div aria-hidden className="flex border-b border-line text-xs text-muted">
      <span className="w-(--name) shrink-0 border-r border-line px-3 py-1.5">Task</span>
      <span className="relative h-7 min-w-0 flex-1 overflow-hidden">
        {marks.map((at) => {
          const left = ((at - range.from) / span) * 100;
          return (
            <span
              key={at}
              className={`absolute top-1.5 whitespace-nowrap tabular-nums ${left > 88 ? "-translate-x-full" : "pl-1"}`}
              style={{ left: `${left}%` }}
            >
              {text(at)}
            </span>
          );
        })}
      </span>
    </div>
  );
}

interface RowsProps {
  rows: Row[];
  range: Range;
  now: number;
  live: boolean;
  selected: string | undefined;
  zone: string;
  onChoose: (row: Row) => void;
}

function Rows(props: RowsProps) {
  const { rows } = props;
  return rows.length > virtualFrom ? (
    <Virtual {...props} />
  ) : (
    <Backdrop {...props}>
      <ul aria-label="Time line of the tasks">
        {rows.map((row) => (
          <li key={row.id}>
            <OneRow row={row} {...props} />
          </li>
        ))}
      </ul>
    </Backdrop>
  );
}

/** The marks of the axis and the line of now, behind all rows. */
function Backdrop({ range, now, live, children }: RowsProps & { children: ReactNode }) {
  const at = (ms: number) => `${((ms - range.from) / (range.to - range.from)) * 100}%`;
  return (
    <div className="relative">
      <div aria-hidden className="absolute inset-y-0 right-0 left-(--name) overflow-hidden">
        {marksOf(range).map((ms) => (
          <span key={ms} className="mark" style={{ left: at(ms) }} />
        ))}
        {live && now >= range.from && now <= range.to && <span className="now" style={{ left: at(now) }} />}
      </div>
      <div className="relative">{children}</div>
    </div>
  );
}

function Virtual(props: RowsProps) {
  const { rows } = props;
  const box = useRef<HTMLDivElement>(null);
  const [focused, setFocused] = useState(0);
  const list = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    overscan: 12,
  });
  return (
    // The rows that are not there cannot be tabbed to: the arrows move among all of them.
    // biome-ignore lint/a11y/noStaticElementInteractions: the list inside has the role; this only catches its keys
    <div
      ref={box}
      className="max-h-[min(70vh,36rem)] overflow-y-auto"
      onKeyDown={(event) => {
        const to = { ArrowDown: focused + 1, ArrowUp: focused - 1, Home: 0, End: rows.length - 1 }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        const next = Math.max(0, Math.min(rows.length - 1, to));
        setFocused(next);
        list.scrollToIndex(next);
        requestAnimationFrame(() =>
          box.current?.querySelector<HTMLElement>(`[data-row-index="${next}"] button`)?.focus(),
        );
      }}
    >
      <Backdrop {...props}>
        <ul aria-label="Time line of the tasks" className="relative" style={{ height: list.getTotalSize() }}>
          {list.getVirtualItems().map((item) => {
            const row = rows[item.index];
            if (!row) return null;
            return (
              <li
                key={row.id}
                aria-setsize={rows.length}
                aria-posinset={item.index + 1}
                data-row-index={item.index}
                className="absolute top-0 left-0 w-full"
                style={{ transform: `translateY(${item.start}px)` }}
                onFocus={() => setFocused(item.index)}
              >
                <OneRow row={row} {...props} />
              </li>
            );
          })}
        </ul>
      </Backdrop>
    </div>
  );
}

function OneRow({ row, range, now, selected, zone, onChoose }: RowsProps & { row: Row }) {
  const look = lookOf(row.state);
  const title = row.size > 1 ? `${row.id} ×${row.size}` : row.id;
  return (
    <button
      type="button"
      data-row
      data-timeline={row.id}
      aria-pressed={row.size > 1 ? undefined : row.id === selected}
      aria-label={`${title}: ${look.label}. ${spoken(row, now)}`}
      onClick={() => onChoose(row)}
      className="flex h-7 w-full text-left hover:bg-sunken/60 aria-pressed:bg-sunken focus-visible:-outline-offset-2"
    >
      <span className="flex w-(--name) shrink-0 items-center gap-1.5 border-r border-line px-3">
        <StateIcon state={row.state} className="size-3.5" />
        <span className="min-w-0 flex-1 truncate text-sm" title={row.id}>
          {shortId(row.id, 40, 10)}
        </span>
        {row.size > 1 && (
          <span className="text-xs text-muted">
            ×{row.size}
            {row.failed > 0 && <span className="text-bad">, {row.failed} failed</span>}
          </span>
        )}
      </span>
      <span className="relative min-w-0 flex-1 overflow-hidden">
        {row.segments.map((s) => {
          const at = place(range, s.from, s.to ?? now);
          if (!at) return null;
          const tone = s.kind === "running" ? lookOf(s.end ?? "running").tone : "idle";
          return (
            <span
              key={`${s.kind}${s.from}`}
              className={`bar tone-${tone}`}
              data-kind={s.kind}
              data-end={s.end ?? undefined}
              data-open={s.to === null ? "" : undefined}
              style={at}
              title={`${s.attempt > 0 ? `Attempt ${s.attempt}, ` : ""}${words[s.kind]} ${duration((s.to ?? now) - s.from)}, from ${absolute(s.from, zone)}`}
            />
          );
        })}
      </span>
    </button>
  );
}

/** What a row shows, in words. */
function spoken(row: Row, now: number): string {
  if (row.segments.length === 0) return "Nothing in this view";
  const sum = (kind: Kind) =>
    row.segments.filter((s) => s.kind === kind).reduce((n, s) => n + (s.to ?? now) - s.from, 0);
  return (["waiting", "queued", "running", "backoff"] as const)
    .map((kind) => [words[kind], sum(kind)] as const)
    .filter(([, ms]) => ms > 0)
    .map(([word, ms]) => `${word} ${duration(ms)}`)
    .join(", ");
}
