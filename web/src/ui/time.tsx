import type { ReactNode } from "react";
import { ago, duration, elapsed, instant, none, ticking } from "../lib/format.ts";
import { useNow } from "../lib/now.ts";
import { absolute, agesPreference, clock, listed, zonePreference } from "../lib/zone.ts";

interface When {
  at: string | number | null | undefined;
  className?: string;
}

/** How long ago, growing, or the time of it where the reader prefers that; the exact time on hover. */
export function Ago({ at, className }: When) {
  const ages = agesPreference.use() === "ages";
  const ms = instant(at);
  if (ms === null) return <span className={className}>{none}</span>;
  return (
    <Stamp ms={ms} className={className}>
      {ages ? <Age ms={ms} /> : undefined}
    </Stamp>
  );
}

/** The time of something, in the reader's zone. */
export function At({ at, className }: When) {
  const ms = instant(at);
  if (ms === null) return <span className={className}>{none}</span>;
  return <Stamp ms={ms} className={className} />;
}

/** The time of day of a log line. */
export function LogTime({ ms }: { ms: number }) {
  const zone = zonePreference.use();
  return (
    <time className="shrink-0 text-muted select-none" title={absolute(ms, zone)}>
      {clock(ms, zone)}
    </time>
  );
}

function Stamp({ ms, className, children }: { ms: number; className?: string | undefined; children?: ReactNode }) {
  const zone = zonePreference.use();
  return (
    <time dateTime={new Date(ms).toISOString()} title={absolute(ms, zone)} className={className}>
      {children ?? listed(ms, zone)}
    </time>
  );
}

function Age({ ms }: { ms: number }) {
  return ago(useNow() - ms);
}

/** From start to end; grows while there is no end. */
export function Elapsed({ start, end }: { start: string | null | undefined; end: string | null | undefined }) {
  const now = useNow();
  return <span className="tabular-nums">{duration(elapsed(start, end, now))}</span>;
}

/** Until an instant: "in 12 s". */
export function Until({ at }: { at: number }) {
  const now = useNow();
  const left = Math.ceil((at - now) / 1_000) * 1_000;
  return <span className="tabular-nums">{left > 0 ? `in ${ticking(left)}` : "now"}</span>;
}
