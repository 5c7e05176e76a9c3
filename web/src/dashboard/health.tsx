import type { HealthItem, RemoteState } from "../api/types.ts";
import { Command } from "../ui/copy.tsx";
import { Panel } from "../ui/panel.tsx";
import { lookOf, StateBadge, StateIcon } from "../ui/state.tsx";
import { Ago } from "../ui/time.tsx";

/** What needs attention, with what helps. Nothing when all is well. */
export function Health({ items }: { items: HealthItem[] }) {
  if (items.length === 0) return null;
  return (
    <section aria-label="Needs attention" className="space-y-2">
      {items.map((item) => (
        <div
          key={item.code + item.message}
          className={`tone-${lookOf(item.severity).tone} card flex items-start gap-2.5 p-3`}
        >
          <span className="mt-0.5">
            <StateIcon state={item.severity} />
          </span>
          <div className="min-w-0 flex-1 space-y-1.5">
            <p>
              <span className="tone-text font-semibold">{lookOf(item.severity).label}. </span>
              {item.message}
            </p>
            {item.fix && <p className="text-sm text-muted">{item.fix}</p>}
            {item.command && <Command text={item.command} />}
          </div>
        </div>
      ))}
    </section>
  );
}

/** The control planes this host belongs to, and whether they answer. */
export function Links({ planes }: { planes: RemoteState[] }) {
  if (planes.length === 0) return null;
  return (
    <Panel title={planes.length === 1 ? "Control plane" : "Control planes"}>
      <ul className="divide-y divide-line">
        {planes.map((plane) => (
          <li key={plane.apiUrl} className="flex flex-wrap items-center gap-x-4 gap-y-1 px-3 py-2.5">
            <a href={plane.apiUrl} target="_blank" rel="noreferrer" className="link min-w-0 truncate font-mono text-sm">
              {plane.apiUrl}
            </a>
            <StateBadge
              state={plane.reachable ? "online" : "offline"}
              label={plane.reachable ? "Reachable" : "Not reachable"}
            />
            {plane.workspaceId && <span className="text-sm text-muted">workspace {plane.workspaceId}</span>}
            <span className="text-sm text-muted sm:ml-auto">
              last answer <Ago at={plane.lastOkAt} />
            </span>
            {plane.error && <p className="w-full text-sm text-bad">{plane.error}</p>}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
