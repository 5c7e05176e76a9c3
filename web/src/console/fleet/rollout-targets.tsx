import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { RolloutTarget } from "../../api/types.ts";
import { instant, none } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { StateBadge, StateIcon } from "../../ui/state.tsx";
import { TableHead } from "../../ui/table.tsx";
import { Ago, Until } from "../../ui/time.tsx";

const pageRows = 200;

/** The hosts of a rollout in the order of their turns: how far each is, in its own words, down to its workers. */
export function RolloutTargets({ targets }: { targets: RolloutTarget[] }) {
  const [most, setMost] = useState(pageRows);
  return (
    <>
      <table className="data stack" aria-label="Hosts of the rollout">
        <TableHead columns={["Host", "State", "Doing", "Version", "Heard of"]} />
        <tbody>
          {targets.slice(0, most).map((t) => (
            <Row key={t.hostId} target={t} />
          ))}
        </tbody>
      </table>
      {targets.length > most && (
        <div className="border-t border-line p-3">
          <Button size="sm" onClick={() => setMost(most + pageRows)}>
            Show {Math.min(pageRows, targets.length - most)} more of {targets.length}
          </Button>
        </div>
      )}
    </>
  );
}

const out = ["ordered", "running", "withdrawing"];

function Row({ target: t }: { target: RolloutTarget }) {
  const deadline = instant(t.deadline);
  return (
    <tr data-target={t.hostId} data-target-state={t.state}>
      <td className="lead">
        <Link
          data-row
          to="/hosts/$id"
          params={{ id: t.hostId }}
          className="link line-clamp-2 font-semibold"
          title={t.host}
        >
          {t.host}
        </Link>
        <p className="text-sm text-muted">
          {[t.canary && "canary", t.forgiven && "forgiven", t.attempts > 1 && `attempt ${t.attempts}`]
            .filter(Boolean)
            .join(", ")}
        </p>
      </td>
      <td data-label="State">
        <span>
          <StateBadge state={t.state} />
          {t.state === "waiting" && !t.online && <span className="block text-sm text-muted">offline</span>}
        </span>
      </td>
      <td data-label="Doing">
        <div className="max-w-md min-w-0 space-y-1">
          {!out.includes(t.state) && !t.error && !t.workers?.length && none}
          {out.includes(t.state) && (
            <>
              <p>{[t.step, t.message].filter(Boolean).join(": ") || "It was told"}</p>
              <progress
                aria-label={`Progress of ${t.host}`}
                className="block h-1.5 w-full max-w-44"
                max={100}
                value={t.progress}
              />
              {deadline !== null && (
                <p className="text-sm text-muted">
                  Has to be done <Until at={deadline} />
                </p>
              )}
            </>
          )}
          {t.error && <p className="line-clamp-6 text-sm text-bad">{t.error}</p>}
          {(t.workers ?? []).length > 0 && (
            <ul className="space-y-0.5 text-sm">
              {(t.workers ?? []).map((w) => (
                <li key={w.workerId} className="flex items-start gap-1.5">
                  <StateIcon state={w.status} className="mt-0.5 size-3.5" />
                  <span className="min-w-0">
                    <code className="font-mono">{w.workerId}</code> {w.status}
                    {w.version && <span className="text-muted"> {w.version}</span>}
                    {w.error && <span className="line-clamp-3 text-bad">{w.error}</span>}
                  </span>
                </li>
              ))}
            </ul>
          )}
        </div>
      </td>
      <td data-label="Version">
        <span>
          {t.version}
          <span className="block text-sm whitespace-nowrap text-muted">
            {t.from?.length ? `from ${t.from.join(", ")}` : ""}
          </span>
        </span>
      </td>
      <td data-label="Heard of">{t.reportedAt ? <Ago at={t.reportedAt} className="whitespace-nowrap" /> : none}</td>
    </tr>
  );
}
