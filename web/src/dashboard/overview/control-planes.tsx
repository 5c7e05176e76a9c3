import type { RemoteState } from "../../api/types.ts";
import { duration } from "../../lib/format.ts";
import { Panel } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { Ago } from "../../ui/time.tsx";

// More than this is worth a warning; the daemon tells the same of it.
const skewWarnMs = 30_000;

/** The control planes this host belongs to: whether they answer, since when not, and how far the clocks are apart. */
export function ControlPlanes({ planes }: { planes: RemoteState[] }) {
  if (planes.length === 0) return null;
  return (
    <Panel title={planes.length === 1 ? "Control plane" : "Control planes"}>
      <ul className="divide-y divide-line">
        {planes.map((plane) => (
          <li key={`${plane.apiUrl} ${plane.workspaceId ?? ""}`} className="space-y-1 px-3 py-2.5">
            <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
              <a
                href={plane.apiUrl}
                target="_blank"
                rel="noreferrer"
                className="link min-w-0 truncate font-mono text-sm"
              >
                {plane.apiUrl}
              </a>
              <span className="ml-auto">
                {plane.revokedAt ? (
                  <StateBadge state="revoked" />
                ) : (
                  <StateBadge
                    state={plane.reachable ? "online" : "offline"}
                    label={plane.reachable ? "Reachable" : "Not reachable"}
                  />
                )}
              </span>
            </div>
            <p className="text-sm text-muted">
              {plane.pool ? "shared pool" : plane.workspaceId ? `workspace ${plane.workspaceId}` : "no workspace"} ·
              last answer <Ago at={plane.lastOkAt} />
              {plane.checkedInAt && (
                <>
                  {" "}
                  · checked in <Ago at={plane.checkedInAt} />
                </>
              )}
              {plane.failingSince && (
                <>
                  {" "}
                  · away since <Ago at={plane.failingSince} />
                </>
              )}
            </p>
            <Skew ms={plane.clockSkewMs ?? 0} known={Boolean(plane.checkedInAt)} />
            {plane.error && <p className="line-clamp-4 text-sm text-bad">{plane.error}</p>}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function Skew({ ms, known }: { ms: number; known: boolean }) {
  if (!known) return null;
  const off = Math.abs(ms);
  if (off < 1_000) return <p className="text-sm text-muted">The clocks agree.</p>;
  return (
    <p className={`text-sm ${off > skewWarnMs ? "text-warn" : "text-muted"}`}>
      The clock of this host is {duration(off)} {ms > 0 ? "ahead" : "behind"}.
    </p>
  );
}
