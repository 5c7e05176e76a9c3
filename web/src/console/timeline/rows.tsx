import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useRef, useState } from "react";
import { duration, shortId } from "../../lib/format.ts";
import { absolute } from "../../lib/zone.ts";
import { lookOf, StateIcon } from "../../ui/state.tsx";
import { marksOf, place } from "./axis.tsx";
import type { Kind, Range, Row } from "./model.ts";

const rowHeight = 28;
const virtualFrom = 200;
const words: Record<Kind, string> = { waiting: "waits", queued: "queued", running: "running", backoff: "backs off" };

interface RowsProps {
  rows: Row[];
  range: Range;
  now: number;
  live: boolean;
  selected: string | undefined;
  zone: string;
  onChoose: (row: Row) => void;
}

/** A row for each task, or for each group of them. Of many, those that are seen are there. */
export function Rows(props: RowsProps) {
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
