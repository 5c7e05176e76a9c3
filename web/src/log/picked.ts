/**
 * A part of a log that an address points at: positions of the first and the last line. A position is the number of bytes
 * written before the line, not the number of the line: a server finds it in a file of any length without counting lines
 * from the beginning, and it stays the same when old files of the log go.
 */
export interface Picked {
  from: number;
  to: number;
}

/** "40-52" or "40" of an address. */
export function parsePicked(text: string | null | undefined): Picked | null {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text ?? "");
  return match ? between(Number(match[1]), Number(match[2] ?? match[1])) : null;
}

/** What stands in the address for it; nothing where no line is picked. */
export function writePicked(picked: Picked | null): string | undefined {
  if (picked === null) return undefined;
  return picked.from === picked.to ? `${picked.from}` : `${picked.from}-${picked.to}`;
}

/** What is picked between two lines, whichever is further up. */
export const between = (a: number, b: number): Picked => ({ from: Math.min(a, b), to: Math.max(a, b) });

/** The line at which a range began that is made longer or shorter now: the one that was picked last, if it is an end of it. */
export function anchorOf(picked: Picked, last: number | null): number {
  return last === picked.to ? picked.to : picked.from;
}
