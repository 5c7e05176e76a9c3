/** A part of a log that an address points at: positions of the first and the last line. */
export interface Picked {
  from: number;
  to: number;
}

/** "40-52" or "40" of an address. */
export function parsePicked(text: string | null | undefined): Picked | null {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text ?? "");
  if (!match) return null;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  return from <= to ? { from, to } : { from: to, to: from };
}

/** What stands in the address for it; nothing where no line is picked. */
export function writePicked(picked: Picked | null): string | undefined {
  if (picked === null) return undefined;
  return picked.from === picked.to ? `${picked.from}` : `${picked.from}-${picked.to}`;
}
