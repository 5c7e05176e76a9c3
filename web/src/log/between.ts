import type { Picked } from "./picked.ts";
import type { Line, LogSource } from "./source.ts";

const mostLines = 100_000;
const mostText = 16_000_000;

/** The lines from one position to another, however many pages they take; whole: none was left out because there are too many. */
export async function linesBetween(
  source: LogSource,
  { from, to }: Picked,
): Promise<{ lines: Line[]; whole: boolean }> {
  const { signal } = new AbortController();
  const lines: Line[] = [];
  let size = 0;
  for (let after: number | null = from - 1; after !== null; ) {
    const page = await source.page({ after, limit: 5_000 }, signal);
    for (const line of page.lines) {
      if (line.pos > to) return { lines, whole: true };
      size += line.text.length;
      if (lines.length >= mostLines || size > mostText) return { lines, whole: false };
      lines.push(line);
    }
    after = page.next;
  }
  return { lines, whole: true };
}
