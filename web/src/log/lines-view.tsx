import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown } from "lucide-react";
import { type SyntheticEvent, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { count } from "../lib/format.ts";
import { Button } from "../ui/button.tsx";
import { LogRow } from "./line.tsx";
import type { Picked } from "./picked.ts";
import type { Log } from "./use-log.ts";
import { indexOf } from "./window.ts";

interface Props {
  log: Log;
  label: string;
  find: RegExp | null;
  wrap: boolean;
  times: boolean;
  picked: Picked | null;
  onPick: (pos: number, extend: boolean) => void;
  follow: boolean;
  onFollow: (on: boolean) => void;
  toEnd: () => void;
}

const rowHeight = 20;
const nearEdge = 400; // px from where more is fetched
const nearEnd = 24;

/** The lines around where the reader looks. What comes in or goes above and below does not move them. */
export function LinesView({ log, label, find, wrap, times, picked, onPick, follow, onFollow, toEnd }: Props) {
  const box = useRef<HTMLElement>(null);
  const { lines } = log;
  const rows = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    getItemKey: useCallback((i: number) => lines[i]?.pos ?? i, [lines]),
    overscan: 10,
  });

  // After a jump the line it went to stands in the middle; otherwise, while it follows, the newest line at the bottom.
  const moved = useRef(-1);
  const anchor = useRef<{ pos: number; delta: number } | null>(null);
  const last = lines.at(-1)?.pos ?? -1;
  const height = rows.getTotalSize();
  // biome-ignore lint/correctness/useExhaustiveDependencies: each of them moves the end
  useLayoutEffect(() => {
    if (log.loading === "first" || lines.length === 0) return;
    const jumped = moved.current !== log.jumps;
    moved.current = log.jumps;
    if (jumped && log.target !== null) {
      anchor.current = null;
      onFollow(false);
      rows.scrollToIndex(Math.min(lines.length - 1, indexOf(lines, log.target)), { align: "center" });
    } else if (follow && log.newer === null) rows.scrollToIndex(lines.length - 1, { align: "end" });
    else if (follow && log.loading === null) log.to(null);
  }, [log.jumps, log.loading, log.target, log.newer, follow, last, height, wrap]);

  // Lines come in or go above, or all of them are broken anew: what the reader looks at stays where it is.
  const first = lines[0]?.pos;
  // biome-ignore lint/correctness/useExhaustiveDependencies: only what moves lines counts
  useLayoutEffect(() => {
    const at = anchor.current;
    if (follow || !at || !box.current) return;
    const row = rows.measurementsCache[indexOf(lines, at.pos)];
    if (row) box.current.scrollTop = row.start + at.delta;
  }, [first, wrap]);

  const seenTop = useRef({ top: 0, height: 0 });
  const onScroll = () => {
    const view = box.current;
    if (!view) return;
    const { scrollTop: top, scrollHeight } = view;
    const below = scrollHeight - top - view.clientHeight;
    // Lines that come in move the end away from the reader, and lines that go move it up: only the reader scrolls up.
    const up = top < seenTop.current.top - 1 && scrollHeight >= seenTop.current.height;
    seenTop.current = { top, height: scrollHeight };
    if (log.loading === "first") return; // the lines are about to be others
    if (below <= nearEnd && log.newer === null) onFollow(true);
    else if (up) onFollow(false);
    const row = rows.getVirtualItemForOffset(top);
    const line = row && lines[row.index];
    anchor.current = line ? { pos: line.pos, delta: top - row.start } : null;
    if (top < nearEdge) log.loadOlder();
    if (below < nearEdge) log.loadNewer();
  };

  // The line under the pointer, or with the focus in it.
  const [hovered, setHovered] = useState(-1);
  const onOver = (event: SyntheticEvent<HTMLElement>) => {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-index]") : null;
    setHovered(lines[Number(row?.dataset.index ?? -1)]?.pos ?? -1);
  };

  const seen = useRef(last);
  useEffect(() => {
    if (follow) seen.current = last;
  }, [follow, last]);
  const unseen = follow ? 0 : lines.length - indexOf(lines, seen.current + 1);

  return (
    <>
      <section
        ref={box}
        aria-label={label}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
        tabIndex={0}
        onScroll={onScroll}
        onMouseOver={onOver}
        onFocus={onOver}
        className="h-full overflow-auto py-1.5 font-mono text-xs leading-5 -outline-offset-2 [overflow-anchor:none]"
      >
        {log.loading === "older" && <p className="sticky left-0 px-4 text-muted">Loading older lines…</p>}
        {log.older === null && first !== undefined && first > 0 && log.loading === null && (
          <Missing>Older lines are no longer kept.</Missing>
        )}
        <div className="relative" style={{ height }}>
          {rows.getVirtualItems().map((row) => {
            const line = lines[row.index];
            if (!line) return null;
            return (
              <div
                key={row.key}
                ref={rows.measureElement}
                data-index={row.index}
                className={`absolute top-0 left-0 ${wrap ? "w-full" : "min-w-full"}`}
                style={{ transform: `translateY(${row.start}px)` }}
              >
                {log.gaps.includes(line.pos) && <Missing>Lines between these are no longer kept.</Missing>}
                <LogRow
                  line={line}
                  find={find}
                  wrap={wrap}
                  times={times}
                  selected={picked !== null && line.pos >= picked.from && line.pos <= picked.to}
                  copyable={line.pos === hovered}
                  onPick={onPick}
                />
              </div>
            );
          })}
        </div>
      </section>
      {(unseen > 0 || log.behind) && (
        <Button
          variant="primary"
          size="sm"
          icon={ArrowDown}
          className="absolute right-5 bottom-4 shadow-raised"
          onClick={toEnd}
        >
          {log.behind ? "New lines" : count(unseen, "new line")}
        </Button>
      )}
    </>
  );
}

function Missing({ children }: { children: string }) {
  return <p className="tone-warn tint sticky left-0 border-y px-4 font-sans text-sm">{children}</p>;
}
