import { TriangleAlert } from "lucide-react";
import type { Hold, Host, RemoteWorker } from "../../api/types.ts";
import { duration, instant, none } from "../../lib/format.ts";
import { isBehind } from "../../lib/version.ts";
import { StateBadge } from "../../ui/state.tsx";
import { Ago, Until } from "../../ui/time.tsx";
import { drainOf } from "../host-filter.ts";

/** Clocks that differ by more are worth a word; the control plane draws the line there, too. */
const skewTolerated = 30_000;

/** The state of a host in a word or two: whether it is there, and whether it was paused. */
export function HostState({ host }: { host: Host }) {
  const drain = drainOf(host);
  return (
    <span className="inline-flex flex-wrap gap-1">
      <StateBadge state={host.status} />
      {drain && <StateBadge state={drain.done ? "paused" : "draining"} />}
    </span>
  );
}

/** A version, and what is newer. */
export function Version({ version, newest }: { version: string | null | undefined; newest: string | undefined }) {
  if (!version) return <span className="text-muted">{none}</span>;
  return (
    <span>
      {version}
      {isBehind(version, newest) && <span className="block text-sm text-warn">{newest} is out</span>}
    </span>
  );
}

/** Who stopped it, why, and until when. */
export function HoldWords({ hold, what = "Paused" }: { hold: Hold; what?: string }) {
  const until = instant(hold.until);
  return (
    <>
      {what}
      {hold.who && ` by ${hold.who}`} <Ago at={hold.since} />
      {until !== null && (
        <>
          , ends <Until at={until} />
        </>
      )}
      {hold.note && <>: “{hold.note}”</>}
    </>
  );
}

/** What keeps a worker from work, a line for each: its host, an operation, or somebody. */
export function Holds({ worker }: { worker: RemoteWorker }) {
  return (worker.holds ?? []).map((hold) => (
    <p key={`${hold.by}${hold.since}`} className="line-clamp-2 text-sm text-warn">
      <HoldWords
        hold={hold}
        what={hold.by === "host" ? "Host paused" : hold.by ? "Held by an operation" : "Disabled"}
      />
    </p>
  ));
}

/** A clock that is off, in a sentence that says what comes of it; nothing while it is right. */
export function SkewWarning({ host }: { host: Host }) {
  if (Math.abs(host.clockSkewMs) <= skewTolerated) return null;
  return (
    <p className="flex items-start gap-1.5 text-sm text-warn">
      <TriangleAlert aria-hidden className="mt-0.5 size-3.5 shrink-0" />
      <span>
        Its clock is {duration(Math.abs(host.clockSkewMs))} {host.clockSkewMs > 0 ? "ahead" : "behind"}
      </span>
    </p>
  );
}
