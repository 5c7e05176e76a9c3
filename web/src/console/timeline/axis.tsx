import { duration } from "../../lib/format.ts";
import { inZone } from "../../lib/zone.ts";
import { type Range, ticks } from "./model.ts";

const relativeBelow = 5_000;

/** The marks of a short time count from its beginning, as their words do; else they stand at round times of the day. */
export const marksOf = (range: Range): number[] =>
  range.to - range.from < relativeBelow
    ? ticks({ from: 0, to: range.to - range.from }, 6).map((ms) => ms + range.from)
    : ticks(range, 6);

/** Where a time stands between the ends of the axis, as a style; null where it is not on it. */
export const place = (range: Range, from: number, to: number) => {
  const span = range.to - range.from;
  const left = Math.max(0, ((from - range.from) / span) * 100);
  const right = Math.min(100, ((to - range.from) / span) * 100);
  return right < 0 || left > 100
    ? null
    : // What is too short to be seen is a mark of its own, at the very end too.
      { left: `min(${left}%, 100% - 3px)`, width: `${Math.max(0, right - left)}%` };
};

/** The times above the rows. */
export function Axis({ range, zone }: { range: Range; zone: string }) {
  const span = range.to - range.from;
  const marks = marksOf(range);
  const shape = span > 172_800_000 ? "short" : span > 600_000 ? "minute" : "clock";
  const text = (at: number) => (span < relativeBelow ? `+${duration(at - range.from)}` : inZone(at, zone, shape));
  return (
    <div data-axis aria-hidden className="flex border-b border-line text-xs text-muted">
      <span className="w-(--name) shrink-0 border-r border-line px-3 py-1.5">Task</span>
      <span className="relative h-7 min-w-0 flex-1 overflow-hidden">
        {marks.map((at) => {
          const left = ((at - range.from) / span) * 100;
          return (
            <span
              key={at}
              className={`absolute top-1.5 whitespace-nowrap tabular-nums ${left > 88 ? "-translate-x-full" : "pl-1"}`}
              style={{ left: `${left}%` }}
            >
              {text(at)}
            </span>
          );
        })}
      </span>
    </div>
  );
}
