import { absolute, ago, duration, elapsed, instant, none } from "../lib/format.ts";
import { useNow } from "../lib/now.ts";

/** How long ago, growing; the exact time on hover. */
export function Ago({ at, className }: { at: string | number | null | undefined; className?: string }) {
  const now = useNow();
  const ms = instant(at);
  if (ms === null) return <span className={className}>{none}</span>;
  return (
    <time dateTime={new Date(ms).toISOString()} title={absolute(ms)} className={className}>
      {ago(now - ms)}
    </time>
  );
}

/** From start to end; grows while there is no end. */
export function Elapsed({ start, end }: { start: string | null | undefined; end: string | null | undefined }) {
  const now = useNow();
  return <span className="tabular-nums">{duration(elapsed(start, end, now))}</span>;
}

/** Until an instant: "in 12 s". */
export function Until({ at }: { at: number }) {
  const now = useNow();
  const left = Math.max(0, Math.ceil((at - now) / 1_000));
  return (
    <span className="tabular-nums">{left > 0 ? `in ${duration(left * 1_000).replace(/\.0 s$/, " s")}` : "now"}</span>
  );
}
