import type { Virtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, type RefObject, useLayoutEffect, useRef } from "react";
import { type LineKey, lineKey, type PickedKey } from "./line-keys.ts";
import type { Picked } from "./picked.ts";
import type { Line } from "./source.ts";
import { isCut } from "./text.ts";
import type { Cursor } from "./use-cursor.ts";
import type { Log } from "./use-log.ts";
import { indexOf } from "./window.ts";

interface Given {
  log: Log;
  cursor: Cursor;
  picked: Picked | null;
  onPick: (pos: number, extend: boolean, from?: number) => void;
  onKey: (act: PickedKey, pos: number | null) => void;
  flip: boolean;
  follow: boolean;
  onFollow: (on: boolean) => void;
  box: RefObject<HTMLDivElement | null>;
  rows: Virtualizer<HTMLDivElement, Element>;
  lineAt: (row: number) => Line | undefined;
}

interface LineKeys {
  /** The row that the keys are at; -1: none of those that the page holds. */
  row: number;
  press: (event: KeyboardEvent<HTMLElement>, onWhole: (pos: number) => void) => void;
  /** Scrolls the view, which is no move of the reader's. */
  lead: (scroll: () => void) => void;
  /** Whether it was scrolled that way just now; tells it once. */
  wasLed: () => boolean;
}

const nearEdge = 30; // lines from where more is fetched
const overlap = 40; // px of one page that are seen on the next, too

/**
 * The lines by keyboard. The focus stays on the list, because the line it would be on may be let go at any moment. Somebody
 * who has scrolled away meanwhile goes on from what is seen, not from where the keys were before.
 */
export function useLineKeys(given: Given): LineKeys {
  const { log, cursor, picked, onPick, onKey, flip, follow, onFollow, box, rows, lineAt } = given;
  const { lines } = log;
  const led = useRef(false);
  const first = cursor.pos === null ? -1 : indexOf(lines, cursor.pos);
  // The line itself, or the first of all where the beginning was asked for.
  const held = lines[first]?.pos === cursor.pos || (first === 0 && log.older === null && cursor.pos === 0);
  const row = held ? (flip ? lines.length - 1 - first : first) : -1;

  const place = (of: number) => {
    const view = box.current;
    const measured = rows.measurementsCache[of];
    if (!view || !measured) return null;
    const above = view.scrollTop - measured.start;
    const below = measured.end - view.scrollTop - view.clientHeight;
    const { size } = measured;
    return { above, below, size, seen: above < size && below < size, room: view.clientHeight, view };
  };
  const lead = (scroll: () => void) => {
    const from = box.current?.scrollTop;
    scroll();
    led.current = box.current?.scrollTop !== from;
  };
  const show = (to: number) => {
    const size = rows.measurementsCache[to]?.size ?? 0;
    const long = size > (box.current?.clientHeight ?? 0);
    const align = !long ? "auto" : to < row ? "end" : "start";
    lead(() => rows.scrollToIndex(to, { align }));
  };

  const go = (to: number, extend: boolean) => {
    const next = Math.max(0, Math.min(lines.length - 1, to));
    const line = lineAt(next);
    if (!line) return;
    if (extend) onPick(line.pos, true, lineAt(row)?.pos);
    onFollow(!extend && line === lines.at(-1) && log.newer === null);
    cursor.to(line.pos, true);
    show(next);
    if (next < nearEdge) flip ? log.loadNewer() : log.loadOlder();
    if (next > lines.length - nearEdge) flip ? log.loadOlder() : log.loadNewer();
  };

  /** Where the keys begin when they are at no line that is seen. */
  const begin = (by: 1 | -1): number => {
    if (follow) return flip ? 0 : lines.length - 1;
    const seen = rows.getVirtualItems().filter((item) => {
      const at = place(item.index);
      return at && at.above <= 1 && at.below <= 1;
    });
    return (by === 1 ? seen[0] : seen.at(-1))?.index ?? rows.getVirtualItems()[0]?.index ?? 0;
  };

  const move = ({ act, by, extend }: Extract<LineKey, { by: 1 | -1 }>) => {
    const at = row < 0 ? null : place(row);
    if (!at?.seen) {
      go(begin(by), extend);
      return;
    }
    // A line that is longer than the view is read through before the next one comes.
    const rest = by === 1 ? at.below : at.above;
    if (!extend && rest > 1 && at.size > at.room) {
      lead(() => {
        at.view.scrollTop += by * Math.min(rest, at.room - overlap);
      });
      return;
    }
    if (act === "line") go(row + by, extend);
    else {
      const start = (rows.measurementsCache[row]?.start ?? 0) + by * (at.room - overlap);
      go(rows.getVirtualItemForOffset(Math.max(0, start))?.index ?? row, extend);
    }
  };

  const press: LineKeys["press"] = (event, onWhole) => {
    const key = lineKey(event);
    if (key === null) return;
    if (key.act === "leave" && picked === null && cursor.pos === null) return; // a dialog closes, then
    event.preventDefault();
    if (log.loading === "first" && key.act !== "leave") return; // the lines are about to be others
    const line = row < 0 ? undefined : lineAt(row);
    if ("by" in key) move(key);
    else if (key.act === "open" && line && isCut(line)) onWhole(line.pos);
    else if (key.act === "open" || key.act === "pick") {
      if (!line) go(begin(1), false);
      else onPick(line.pos, key.act === "pick" && key.extend);
    } else onKey(key.act, line?.pos ?? null);
  };

  // What is shown of the picked lines takes from the room of the others.
  const some = picked !== null;
  // biome-ignore lint/correctness/useExhaustiveDependencies: only when it comes or goes
  useLayoutEffect(() => {
    if (some && row >= 0 && place(row)?.seen) show(row);
  }, [some]);

  return {
    row,
    press,
    lead,
    wasLed: () => {
      const was = led.current;
      led.current = false;
      return was;
    },
  };
}
