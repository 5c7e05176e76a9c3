import type { Line, LogPage } from "./source.ts";

/**
 * The part of a log that a page holds: lines without a gap between them. A log of a million lines is longer than a tab
 * should hold, so what is far from where the reader looks is let go and fetched again.
 */
export interface LogWindow {
  lines: readonly Line[];
  /** There may be lines before the first. */
  older: boolean;
  /** There may be lines behind the last. What comes live belongs here only when there are none. */
  newer: boolean;
}

/** The most lines of a window, and what stays of it when it has more. */
export const most = 20_000;
const kept = 15_000;

export const nothing: LogWindow = { lines: [], older: false, newer: false };

/** The window that begins with a page of the newest lines. */
export const fromEnd = (page: LogPage): LogWindow => ({ lines: page.lines, older: page.more, newer: false });

/** The window around a position: the lines up to it, and those behind it. */
export const around = (before: LogPage, after: LogPage): LogWindow => ({
  lines: [...before.lines, ...after.lines],
  older: before.more,
  newer: after.more,
});

/** The window with the lines before it; those at its end go when it gets too long. */
export function addOlder(window: LogWindow, page: LogPage): LogWindow {
  const first = window.lines[0]?.pos ?? Number.POSITIVE_INFINITY;
  const lines = [...page.lines.filter((line) => line.pos < first), ...window.lines];
  const over = lines.length > most;
  return { lines: over ? lines.slice(0, kept) : lines, older: page.more, newer: window.newer || over };
}

/** The window with the lines behind it; those at its beginning go when it gets too long. */
export function addNewer(window: LogWindow, page: LogPage): LogWindow {
  return { ...append(window, page.lines), newer: page.more };
}

/** The window with lines that were written just now; they have no place in one that does not reach the end. */
export function addLive(window: LogWindow, lines: readonly Line[]): LogWindow {
  return window.newer ? window : append(window, lines);
}

function append(window: LogWindow, more: readonly Line[]): LogWindow {
  const last = window.lines.at(-1)?.pos ?? Number.NEGATIVE_INFINITY;
  const fresh = more.filter((line) => line.pos > last);
  if (fresh.length === 0) return window;
  const lines = [...window.lines, ...fresh];
  const over = lines.length > most;
  return { ...window, lines: over ? lines.slice(-kept) : lines, older: window.older || over };
}

/** The index of the first line at or behind a position; the number of lines when there is none. */
export function indexOf(lines: readonly Line[], pos: number): number {
  let from = 0;
  let to = lines.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((lines[middle]?.pos ?? 0) < pos) from = middle + 1;
    else to = middle;
  }
  return from;
}
