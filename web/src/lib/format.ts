/** What stands where there is nothing to say. */
export const none = "–";

const units: [number, string][] = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "m"],
  [1, "s"],
];

/** A length of time in its two largest units: 340 ms, 4.2 s, 3 m 10 s, 2 h 5 m, 3 d 4 h. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return none;
  if (ms < 0) ms = 0;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1_000);
  const at = units.findIndex(([size]) => seconds >= size);
  const [size, name] = units[at] ?? [1, "s"];
  const next = units[at + 1];
  const rest = next ? Math.floor((seconds % size) / next[0]) : 0;
  return `${Math.floor(seconds / size)} ${name}${next && rest > 0 ? ` ${rest} ${next[1]}` : ""}`;
}

/** A length of time that is looked at while it goes by: whole seconds. */
export function ticking(ms: number): string {
  return duration(Math.floor(Math.max(0, ms) / 1_000) * 1_000)
    .replace(/^0 ms$/, "0 s")
    .replace(/\.0 s$/, " s");
}

/** How long ago, in one unit. A clock that is a little ahead reads as now. */
export function ago(ms: number): string {
  if (ms < 2_000) return "just now";
  const seconds = Math.floor(ms / 1_000);
  for (const [size, name] of units) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${name} ago`;
  }
  return "just now";
}

/** The instant of an API time, or null. */
export function instant(value: string | number | null | undefined): number | null {
  if (value === null || value === undefined || value === "") return null;
  const ms = typeof value === "number" ? value : Date.parse(value);
  return Number.isFinite(ms) && ms > 0 ? ms : null;
}

/** From start to end, or to now while there is no end. */
export function elapsed(start: string | null | undefined, end: string | null | undefined, now: number): number | null {
  const from = instant(start);
  if (from === null) return null;
  return Math.max(0, (instant(end) ?? now) - from);
}

/** A number of bytes in binary units. */
export function bytes(n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return none;
  if (n < 1_024) return `${n} B`;
  const names = ["KiB", "MiB", "GiB", "TiB"];
  let size = n / 1_024;
  let at = 0;
  while (size >= 1_024 && at < names.length - 1) {
    size /= 1_024;
    at++;
  }
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${names[at]}`;
}

/** One of two words by number, with the number. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** An id cut in the middle; the ends are what people compare. */
export function shortId(id: string, length = 16, tail = 4): string {
  if (id.length <= length) return id;
  return `${id.slice(0, length - tail - 1)}…${id.slice(-tail)}`;
}

/** An argument as a POSIX shell takes it verbatim. */
export function shellQuote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
