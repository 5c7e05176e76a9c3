import type { Line } from "./source.ts";

const tones: Record<Line["mark"], string> = {
  out: "text-muted",
  err: "text-bad",
  debug: "text-muted",
  info: "text-muted",
  warn: "text-warn",
  error: "text-bad",
};

/** What wrote a line, or its level. As wide as the longest of the words, none of which is ever broken. */
export function Mark({ of }: { of: Line["mark"] }) {
  return <span className={`inline-block min-w-[5ch] whitespace-nowrap select-none ${tones[of]}`}>{of}</span>;
}
