import type { Line, LogPage } from "./source.ts";

/**
 * The part of a log that a page holds: lines without a gap between them, but for those that the server does not have any
 * more. A log of a million lines is longer than a tab should hold, so what is far from where the reader looks is let go and
 * fetched again.
 */
export interface LogWindow {
  lines: readonly Line[];
  /** From where on the lines before the first are asked for; null: there are none. */
  older: number | null;
  /** The same behind the last. What comes live belongs here only when there are none. */
  newer: number | null;
  /** Positions of lines before which some are missing, because the server no longer holds them. */
  gaps: readonly number[];
}

/** The most lines of a window, and what stays of it when it has more; and the same in characters. */
export const most = 20_000;
const kept = 15_000;
export const mostText = 12_000_000;
const keptText = 9_000_000;

export const nothing: LogWindow = { lines: [], older: null, newer: null, gaps: [] };

/** The window that begins with a page of the newest lines. */
export const fromEnd = (page: LogPage): LogWindow => ({ ...nothing, lines: page.lines, older: page.next });

/** The window around a position: the lines up to it, and those behind it. */
export const around = (before: LogPage, after: LogPage): LogWindow => ({
  ...nothing,
  lines: [...before.lines, ...after.lines],
  older: before.next,
  newer: after.next,
});

/** The window with the lines before it; those at its end go when it gets too long. */
export function addOlder(window: LogWindow, page: LogPage): LogWindow {
  const first = window.lines[0]?.pos ?? Number.POSITIVE_INFINITY;
  const lines = [...page.lines.filter((line) => line.pos < first), ...window.lines];
  const keep = fitting(lines, 1);
  return {
    ...window,
    lines: keep < lines.length ? lines.slice(0, keep) : lines,
    older: page.next,
    newer: keep < lines.length ? (lines[keep - 1]?.pos ?? null) : window.newer,
  };
}

/** The window with the lines behind it; those at its beginning go when it gets too long. */
export function addNewer(window: LogWindow, page: LogPage): LogWindow {
  const gap = page.gap && page.lines[0] ? [page.lines[0].pos] : [];
  return { ...append(window, page.lines), newer: page.next, gaps: [...window.gaps, ...gap] };
}

/** The window with lines that were written just now; they have no place in one that does not reach the end. */
export function addLive(window: LogWindow, lines: readonly Line[]): LogWindow {
  return window.newer !== null ? window : append(window, lines);
}

function append(window: LogWindow, more: readonly Line[]): LogWindow {
  const last = window.lines.at(-1)?.pos ?? Number.NEGATIVE_INFINITY;
  const fresh = more.filter((line) => line.pos > last);
  if (fresh.length === 0) return window;
  const lines = [...window.lines, ...fresh];
  const keep = fitting(lines, -1);
  if (keep === lines.length) return { ...window, lines };
  return { ...window, lines: lines.slice(-keep), older: lines.at(-keep)?.pos ?? null };
}

/** How many of the lines from one end on stay: all, unless there are too many or too long ones. */
function fitting(lines: readonly Line[], from: 1 | -1): number {
  let size = 0;
  for (const line of lines) size += line.text.length;
  if (lines.length <= most && size <= mostText) return lines.length;
  let keep = 0;
  size = 0;
  while (keep < Math.min(lines.length, kept)) {
    size += lines.at(from === 1 ? keep : -1 - keep)?.text.length ?? 0;
    if (keep > 0 && size > keptText) break;
    keep++;
  }
  return keep;
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
