import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp } from "lucide-react";
import { type MouseEvent, useCallback, useEffect, useId, useLayoutEffect, useRef, useState } from "react";
import { count } from "../lib/format.ts";
import { Button } from "../ui/button.tsx";
import { Cell, Row } from "./grid.tsx";
import { LogRow } from "./line.tsx";
import type { PickedKey } from "./line-keys.ts";
import type { Picked } from "./picked.ts";
import type { Cursor } from "./use-cursor.ts";
import { useLineKeys } from "./use-line-keys.ts";
import type { Log } from "./use-log.ts";
import { indexOf } from "./window.ts";

interface Props {
  log: Log;
  label: string;
  find: RegExp | null;
  wrap: boolean;
  times: boolean;
  /** The newest line stands at the top. */
  flip: boolean;
  picked: Picked | null;
  cursor: Cursor;
  onPick: (pos: number, extend: boolean, from?: number) => void;
  /** A key was pressed at a line. */
  onKey: (key: PickedKey, pos: number | null) => void;
  follow: boolean;
  onFollow: (on: boolean) => void;
  toNewest: () => void;
}

const rowHeight = 20;
const margin = 6; // px above the first line and below the last
const nearEdge = 400; // px from where more is fetched
const nearEnd = 24;
const buttonRoom = 56; // px that the button for new lines takes

/** The lines around where the reader looks. What comes in or goes above and below does not move them. */
export function LinesView(props: Props) {
  const { log, label, find, wrap, times, flip, picked, cursor, onPick, follow, onFollow, toNewest } = props;
  const box = useRef<HTMLDivElement>(null);
  const id = useId();
  const { lines } = log;
  const lineAt = useCallback((row: number) => lines[flip ? lines.length - 1 - row : row], [lines, flip]);
  const rowOf = (pos: number) => {
    const index = indexOf(lines, pos);
    return flip ? lines.length - 1 - index : index;
  };

  const last = lines.at(-1)?.pos ?? -1;
  const seen = useRef(last);
  useEffect(() => {
    if (follow) seen.current = last;
  }, [follow, last]);
  const unseen = follow ? 0 : lines.length - indexOf(lines, seen.current + 1);
  const news = unseen > 0 || log.behind;

  const rows = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    getItemKey: useCallback((row: number) => lineAt(row)?.pos ?? row, [lineAt]),
    overscan: 10,
    paddingStart: margin,
    paddingEnd: margin,
    // The line that the keys are at does not stand under the button.
    scrollPaddingStart: news && flip ? buttonRoom : margin,
    scrollPaddingEnd: news && !flip ? buttonRoom : margin,
  });

  // After a jump the line it went to stands in the middle; otherwise, while it follows, the newest line at its edge.
  const moved = useRef(-1);
  const anchor = useRef<{ pos: number; delta: number } | null>(null);
  const height = rows.getTotalSize();
  // biome-ignore lint/correctness/useExhaustiveDependencies: each of them moves the end
  useLayoutEffect(() => {
    if (log.loading === "first" || lines.length === 0) return;
    const jumped = moved.current !== log.jumps;
    moved.current = log.jumps;
    if (jumped && log.target !== null) {
      anchor.current = null;
      onFollow(false);
      rows.scrollToIndex(Math.max(0, Math.min(lines.length - 1, rowOf(log.target))), { align: "center" });
    } else if (follow && log.newer === null) {
      if (flip) rows.scrollToOffset(0);
      else rows.scrollToIndex(lines.length - 1, { align: "end" });
    } else if (follow && log.loading === null) log.to(null);
  }, [log.jumps, log.loading, log.target, log.newer, follow, last, height, wrap, flip]);

  const keys = useLineKeys({ ...props, box, rows, lineAt });

  // Where the reader is, in lines.
  const remember = () => {
    const above = box.current?.scrollTop ?? 0;
    const row = rows.getVirtualItemForOffset(above);
    const line = row && lineAt(row.index);
    anchor.current = line ? { pos: line.pos, delta: above - row.start } : null;
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: a key can end the following without a scroll
  useLayoutEffect(() => {
    if (!follow && log.loading !== "first") remember();
  }, [follow]);

  // Lines come in or go above, or all of them are broken anew: what the reader looks at stays where it is.
  const top = lineAt(0)?.pos;
  // biome-ignore lint/correctness/useExhaustiveDependencies: only what moves lines counts
  useLayoutEffect(() => {
    const at = anchor.current;
    if (follow || !at || !box.current) return;
    const row = rows.measurementsCache[rowOf(at.pos)];
    const view = box.current;
    if (row) keys.lead(() => view.scrollTo({ top: row.start + at.delta }));
  }, [top, wrap, flip]);

  const before = useRef({ top: 0, height: 0 });
  const onScroll = () => {
    const view = box.current;
    if (!view) return;
    const { scrollTop: above, scrollHeight } = view;
    const below = scrollHeight - above - view.clientHeight;
    const { top, height } = before.current;
    // Lines that come in move the end away from the reader, and lines that go move it up: only the reader scrolls away.
    const away = flip ? above > top + 1 : above < top - 1 && scrollHeight >= height;
    before.current = { top: above, height: scrollHeight };
    if (log.loading === "first") return; // the lines are about to be others
    if (keys.wasLed()) {
      // By the page, which knows whether to follow.
    } else if ((flip ? above : below) <= nearEnd && log.newer === null) onFollow(true);
    else if (away) onFollow(false);
    remember();
    if (above < nearEdge) flip ? log.loadNewer() : log.loadOlder();
    if (below < nearEdge) flip ? log.loadOlder() : log.loadNewer();
  };

  const posAt = (event: MouseEvent<HTMLElement>) => {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-index]") : null;
    return lineAt(Number(row?.dataset.index ?? -1))?.pos ?? null;
  };
  // The line under the pointer.
  const [hovered, setHovered] = useState<number | null>(null);
  const [whole, setWhole] = useState<readonly number[]>([]);
  const onWhole = useCallback(
    (pos: number) => setWhole((all) => (all.includes(pos) ? all.filter((p) => p !== pos) : [...all, pos])),
    [],
  );
  const items = rows.getVirtualItems();
  const activeRow = keys.row;
  const shown = items.some((row) => row.index === activeRow);
  const topReached = flip ? log.newer === null : log.older === null;
  const all = log.older === null && log.newer === null;

  return (
    <>
      {/*
        A grid, not a list of options: what is in an option is flattened to its text, and lines hold links and buttons.
        Not a log either, which would be read out as it grows, faster than anybody can listen. How many lines there are
        is known only where all of them are here.
      */}
      {/* biome-ignore lint/a11y: a table has no rows that are chosen, and the line that the keys are at has what the pointer's has */}
      <div
        ref={box}
        role="grid"
        aria-label={label}
        aria-multiselectable
        aria-readonly
        aria-rowcount={all ? lines.length : -1}
        aria-activedescendant={shown ? `${id}-${lineAt(activeRow)?.pos}` : undefined}
        tabIndex={0}
        data-row
        data-keys={cursor.byKeys || undefined}
        onScroll={onScroll}
        onMouseOver={(event) => setHovered(posAt(event))}
        onMouseDown={(event) => {
          const pos = posAt(event);
          if (pos !== null) cursor.to(pos, false);
          if (!(event.target instanceof Element && event.target.closest("button[data-place]"))) return;
          event.preventDefault(); // the focus stays where the keys are heard
          box.current?.focus({ preventScroll: true });
        }}
        onKeyDown={(event) => keys.press(event, onWhole)}
        className="group h-full overflow-auto font-mono text-xs leading-5 -outline-offset-2 [overflow-anchor:none]"
      >
        {log.loading === "older" && (
          <p aria-hidden className="sticky top-0 left-0 z-10 h-0">
            <span className="rounded-br-md bg-bg px-4 text-muted">Loading older lines…</span>
          </p>
        )}
        <div className="relative" style={{ height }}>
          {items.map((row) => {
            const line = lineAt(row.index);
            if (!line) return null;
            const gap = log.gaps.includes(line.pos);
            const gone = line === lines[0] && log.older === null && line.pos > 0;
            const missing = gap ? "Lines between these are no longer kept." : "Older lines are no longer kept.";
            return (
              <div
                key={row.key}
                ref={rows.measureElement}
                data-index={row.index}
                className={`absolute top-0 left-0 ${wrap ? "w-full" : "min-w-full"} ${flip ? "flex flex-col-reverse" : ""}`}
                style={{ transform: `translateY(${row.start}px)` }}
              >
                {(gap || gone) && <Missing>{missing}</Missing>}
                <LogRow
                  id={`${id}-${line.pos}`}
                  nth={topReached ? row.index + 1 : undefined}
                  line={line}
                  find={find}
                  wrap={wrap}
                  times={times}
                  selected={picked !== null && line.pos >= picked.from && line.pos <= picked.to}
                  active={row.index === activeRow}
                  whole={whole.includes(line.pos)}
                  onWhole={onWhole}
                  copyable={line.pos === hovered || (cursor.byKeys && row.index === activeRow)}
                  onPick={onPick}
                />
              </div>
            );
          })}
        </div>
      </div>
      {news && (
        <Button
          variant="primary"
          size="sm"
          icon={flip ? ArrowUp : ArrowDown}
          className={`absolute right-5 shadow-raised ${flip ? "top-4" : "bottom-4"}`}
          onClick={toNewest}
        >
          {log.behind ? "New lines" : count(unseen, "new line")}
        </Button>
      )}
    </>
  );
}

/** Stands where lines are missing. It is a row like others to whoever hears the list. */
function Missing({ children }: { children: string }) {
  return (
    <Row className="tone-warn tint sticky left-0 border-y px-4 font-sans text-sm">
      <Cell>{children}</Cell>
    </Row>
  );
}
