import type { LogLine } from "../api/types.ts";

const same = (a: LogLine | undefined, b: LogLine | undefined) =>
  a !== undefined && b !== undefined && a.ts === b.ts && a.stream === b.stream && a.line === b.line;

/** Whether a line has a place in the log: one that could not be written has none, nor has any line of an older daemon. */
const placed = (line: LogLine) => line.pos !== undefined && line.pos >= 0;

/**
 * Joins the lines of the file with those that came live while it was fetched: those behind the file's last one. Older
 * daemons tell no positions; what is in both is then the longest end of the file's lines that is a beginning of the live
 * ones.
 */
export function joinLines(tail: readonly LogLine[], live: readonly LogLine[]): LogLine[] {
  const last = tail.at(-1);
  if (last !== undefined && placed(last) && live.some(placed)) {
    return [...tail, ...live.filter((l) => !placed(l) || l.pos > last.pos)];
  }
  for (let n = Math.min(tail.length, live.length); n > 0; n--) {
    let matches = true;
    for (let i = 0; matches && i < n; i++) matches = same(tail[tail.length - n + i], live[i]);
    if (matches) return [...tail, ...live.slice(n)];
  }
  return [...tail, ...live];
}

export interface LogFilter {
  stream: "all" | "out" | "err";
  search: string;
}

/** The lines that a filter leaves. The search ignores case. */
export function filterLines<L extends LogLine>(lines: readonly L[], filter: LogFilter): L[] {
  const needle = filter.search.toLowerCase();
  if (filter.stream === "all" && needle === "") return lines as L[];
  return lines.filter(
    (l) => (filter.stream === "all" || l.stream === filter.stream) && l.line.toLowerCase().includes(needle),
  );
}

/** The parts of a line, alternately outside and inside a match, beginning outside. */
export function splitMatches(line: string, search: string): string[] {
  if (search === "") return [line];
  const parts: string[] = [];
  const haystack = line.toLowerCase();
  const needle = search.toLowerCase();
  // Some letters change their length with their case; then positions do not carry over.
  if (haystack.length !== line.length || needle.length !== search.length) return [line];
  let from = 0;
  for (let at = haystack.indexOf(needle); at >= 0; at = haystack.indexOf(needle, from)) {
    parts.push(line.slice(from, at), line.slice(at, at + needle.length));
    from = at + needle.length;
  }
  parts.push(line.slice(from));
  return parts;
}

/** The lines as a file. */
export function logText(lines: readonly LogLine[]): string {
  return lines.map((l) => `${new Date(l.ts).toISOString()} ${l.stream} ${l.line}\n`).join("");
}
