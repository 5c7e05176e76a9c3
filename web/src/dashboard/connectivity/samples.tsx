import { useState } from "react";
import type { ConnectivitySample } from "../../api/types.ts";
import { count } from "../../lib/format.ts";
import { CopyCommand } from "../../ui/action.tsx";
import { Button } from "../../ui/button.tsx";
import { CheckField } from "../../ui/field.tsx";
import { Panel } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { TableHead } from "../../ui/table.tsx";
import { At } from "../../ui/time.tsx";
import { cli } from "../cli.ts";
import { probeText } from "./verdicts.ts";

const step = 25;

/** Every look at the network that the daemon remembers, newest first. */
export function Samples({ history }: { history: ConnectivitySample[] }) {
  const [problems, setProblems] = useState(false);
  const [most, setMost] = useState(step);
  const list = history.filter((s) => !problems || s.verdict !== "online").toReversed();
  return (
    <Panel
      title="Probes"
      aside={
        <span className="flex items-center gap-3 text-sm">
          <CheckField label="Only problems" checked={problems} onChange={(e) => setProblems(e.target.checked)} />
          <CopyCommand command={cli("connectivity", ...(problems ? ["--problems"] : []))} />
        </span>
      }
    >
      {list.length === 0 ? (
        <p className="p-3 text-muted">No problem is remembered.</p>
      ) : (
        <table className="data stack">
          <TableHead columns={["Time", "Verdict", "Control planes", "Internet"]} />
          <tbody>
            {list.slice(0, most).map((s) => (
              <tr key={s.ts}>
                <td data-label="Time" className="whitespace-nowrap tabular-nums">
                  <At at={s.ts} />
                </td>
                <td data-label="Verdict">
                  <StateBadge state={s.verdict} />
                </td>
                <td data-label="Control planes" className="text-sm">
                  {(s.api ?? []).length === 0 && <span className="text-muted">none</span>}
                  {(s.api ?? []).map((p) => (
                    <div key={p.url}>
                      <span className="font-mono">{p.url}</span>{" "}
                      <span className={p.ok ? "text-muted tabular-nums" : "text-bad"}>{probeText(p)}</span>
                    </div>
                  ))}
                </td>
                <td
                  data-label="Internet"
                  className={`text-sm ${s.internet.ok || s.internet.off ? "text-muted" : "text-bad"}`}
                >
                  {s.internet.off ? "not asked" : probeText(s.internet)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <div className="flex flex-wrap items-center gap-3 border-t border-line px-3 py-2 text-sm text-muted">
        <span className="flex-1">
          {Math.min(most, list.length)} of {count(list.length, "probe")}. All of them are in{" "}
          <code className="font-mono">connectivity.log</code> in the folder of the host.
        </span>
        {list.length > most && (
          <Button size="sm" onClick={() => setMost(most + 100)}>
            Show more
          </Button>
        )}
      </div>
    </Panel>
  );
}
