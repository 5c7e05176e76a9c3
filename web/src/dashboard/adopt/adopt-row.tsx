import { Download, Undo2 } from "lucide-react";
import type { AdoptItem, AdoptResult } from "../../api/types.ts";
import { Action } from "../../ui/action.tsx";
import { CopyButton } from "../../ui/copy.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { toast } from "../../ui/toast.tsx";
import { adopt, undoAdopt } from "../actions.ts";
import { awayIf } from "../away.ts";
import { cli } from "../cli.ts";
import { workerHref } from "../places.ts";

const outcomes: Record<string, string> = {
  adopted: "was adopted",
  "taken-over": "was taken over; nothing else runs it any more",
  managed: "is managed already",
  undone: "was given back",
};

/** One file of a worker: what it is, what runs it, and what can be done. */
export function AdoptRow({ item, frozen }: { item: AdoptItem; frozen: boolean }) {
  return (
    <li className="space-y-1.5 px-3 py-3" data-adopt={item.status}>
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <StateBadge
          state={item.status === "running" ? "busy" : item.status}
          {...(item.status === "running" ? { label: "Something runs it" } : {})}
        />
        <p className="line-clamp-2 min-w-0 font-semibold">
          {item.status === "managed" && item.workerId ? (
            <a className="hover:underline" href={workerHref(item.workerId)}>
              <bdi>{item.label}</bdi>
            </a>
          ) : (
            <bdi>{item.label}</bdi>
          )}
        </p>
        <span className="ml-auto">
          <RowAction item={item} frozen={frozen} />
        </span>
      </div>
      <p className="flex items-center gap-1 text-sm text-muted">
        <code className="min-w-0 truncate font-mono" title={item.path}>
          {item.path}
        </code>
        <CopyButton text={item.path} label="Copy the path" />
      </p>
      {item.apiUrl && (
        <p className="text-sm text-muted">
          {item.mode === "pool" ? "of the pool at " : "of "}
          <span className="font-mono">{item.apiUrl}</span>
          {item.workspaceId && `, workspace ${item.workspaceId}`}
        </p>
      )}
      {(item.processes ?? []).map((p) => (
        <p key={p.pid} className="text-sm">
          process <span className="font-mono">{p.pid}</span>
          {p.user && ` of ${p.user}`}
          {p.unit && ` of the unit ${p.unit}`}: <code className="line-clamp-2 font-mono text-muted">{p.command}</code>
        </p>
      ))}
      {(item.units ?? []).map((u) => (
        <p key={`${u.manager} ${u.name}`} className="text-sm">
          {u.manager} <code className="font-mono">{u.name}</code>{" "}
          <span className="text-muted">
            {u.active ? "runs" : "does not run"}, {u.enabled ? "starts by itself" : "does not start by itself"}
          </span>
        </p>
      ))}
      {item.reason && (
        <p className={`text-sm ${item.status === "failed" ? "text-bad" : "text-muted"}`}>{item.reason}</p>
      )}
      {item.fix && <p className="text-sm text-muted">{item.fix}</p>}
      {(item.warnings ?? []).map((w) => (
        <p key={w} className="text-sm text-warn">
          {w}
        </p>
      ))}
    </li>
  );
}

function RowAction({ item, frozen }: { item: AdoptItem; frozen: boolean }) {
  const unavailable = awayIf(frozen);
  const takeOver = item.status === "running" || item.status === "unfinished";
  if (item.status === "adoptable" || takeOver) {
    return (
      <Action
        label={takeOver ? "Take over" : "Adopt"}
        name={`${takeOver ? "Take over" : "Adopt"} ${item.label}`}
        doing={takeOver ? "Taking over…" : "Adopting…"}
        icon={Download}
        scope="adopt"
        variant={takeOver ? "secondary" : "primary"}
        unavailable={unavailable}
        command={cli("adopt", ...(takeOver ? ["--take-over"] : []))}
        confirm={takeOver ? takeOverQuestion(item) : null}
        run={() => adopt({ paths: [item.path], takeOver })}
        done={(result) => outcome(item, result)}
      />
    );
  }
  if (item.status === "managed" && item.adopted && item.workerId) {
    const id = item.workerId;
    return (
      <Action
        label="Give back"
        name={`Give back ${item.label}`}
        doing="Giving back…"
        icon={Undo2}
        scope="adopt"
        unavailable={unavailable}
        command={cli("adopt", "--undo", id)}
        confirm={{
          title: `Give ${item.label} back?`,
          action: "Give it back",
          danger: true,
          body: (
            <p>
              The daemon stops it, once the run that it has in hand is through, and what ran it before is put back as it
              was: its unit is enabled and started again. This host no longer manages it then.
            </p>
          ),
        }}
        run={() => undoAdopt(id)}
        done={(result) => outcome(item, result)}
      />
    );
  }
  return null;
}

/** Each file has its own outcome, also in an answer without an error. */
function outcome(item: AdoptItem, result: AdoptResult): string | null {
  if (result.operation) return `${item.label} is being taken over`;
  const got = result.items?.find((i) => i.path === item.path || i.workerId === item.workerId);
  const said = got && outcomes[got.status];
  if (said) return `${item.label} ${said}`;
  toast(
    got?.status === "unfinished" ? "info" : "error",
    got?.status === "unfinished" ? `${item.label} is not done yet` : `${item.label} was left as it is`,
    [got?.reason, got?.fix].filter(Boolean).join(". "),
  );
  return null;
}

const takeOverQuestion = (item: AdoptItem) => ({
  title: `Take ${item.label} over?`,
  action: "Take it over",
  danger: true,
  body: (
    <>
      <p>
        What runs it now is stopped, and kept from starting again; then the daemon runs it. The run in hand is finished
        first.
      </p>
      <ul className="list-disc pl-4 text-sm text-muted">
        {(item.units ?? []).map((u) => (
          <li key={u.name}>
            the unit {u.name} is disabled{u.active ? " and stopped" : ""}
          </li>
        ))}
        {(item.processes ?? [])
          .filter((p) => !p.unit)
          .map((p) => (
            <li key={p.pid}>process {p.pid} is asked to end</li>
          ))}
      </ul>
      <p className="text-muted">When a step fails, everything is put back.</p>
    </>
  ),
});
