import { Ban } from "lucide-react";
import type { Operation, UpgradeInfo } from "../../api/types.ts";
import { bytes, count } from "../../lib/format.ts";
import { Action } from "../../ui/action.tsx";
import { CopyButton, Id } from "../../ui/copy.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { Ago, Elapsed } from "../../ui/time.tsx";
import { cancelOperation } from "../actions.ts";
import { awayIf } from "../away.ts";
import { cli } from "../cli.ts";
import { operationTitle } from "./words.ts";
import { useWorkerName } from "./worker-name.ts";

/** A long action: its steps, how far it is, what held it up, and a way to take it back while there is one. */
export function OperationRow({ op, frozen }: { op: Operation; frozen: boolean }) {
  const name = useWorkerName();
  const running = op.status === "running";
  const title = operationTitle(op, name);
  return (
    <li data-operation={op.id} className="space-y-2 px-3 py-2.5">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <StateBadge state={running && op.undoing ? "undoing" : op.status} />
        <p className="line-clamp-2 min-w-0 font-medium">
          <bdi>{title}</bdi>
        </p>
        <span className="text-sm text-muted">
          {running ? (
            <>
              for <Elapsed start={op.startedAt} end={null} />
            </>
          ) : (
            <>
              <Ago at={op.endedAt} />, took <Elapsed start={op.startedAt} end={op.endedAt} />
            </>
          )}
          {op.askedBy && `, by ${op.askedBy}`}
        </span>
        <span className="ml-auto flex items-center gap-2">
          {running && op.cancellable && (
            <Action
              label="Cancel"
              name={`Cancel: ${title}`}
              doing="Cancelling…"
              icon={Ban}
              unavailable={op.cancelAsked ? "It is being taken back" : awayIf(frozen)}
              command={cli("operations", "cancel", op.id)}
              confirm={{
                title: "Take it back?",
                action: "Take it back",
                danger: true,
                body: <p>{title}. What was done so far is undone, and everything is as it was before.</p>,
              }}
              run={() => cancelOperation(op.id)}
              done="It is being taken back"
            />
          )}
          <Id id={op.id} what="operation id" length={12} />
        </span>
      </div>
      {running && <Steps op={op} />}
      {op.message && running && <p className="text-sm text-muted">{op.message}</p>}
      {op.error && (
        <p className={`text-sm ${running ? "text-warn" : "text-bad"}`}>
          {op.error}
          {op.fix && <span className="text-muted"> – {op.fix}</span>}
        </p>
      )}
      {op.upgrade && <Upgrade info={op.upgrade} open={running || op.status === "failed"} />}
    </li>
  );
}

/** The steps in their order, with the one that is under way. */
function Steps({ op }: { op: Operation }) {
  const steps = op.steps ?? [];
  const at = steps.indexOf(op.step);
  return (
    <div className="space-y-1.5">
      <progress className="h-1.5 w-full" max={100} value={op.progress} aria-label={`Progress: ${op.step}`} />
      <ol className="flex flex-wrap gap-x-3 gap-y-0.5 text-sm">
        {steps.map((step, i) => (
          <li
            key={step}
            aria-current={i === at ? "step" : undefined}
            className={i === at ? "font-medium text-run" : i < at ? "text-muted line-through" : "text-muted"}
          >
            {step}
          </li>
        ))}
      </ol>
    </div>
  );
}

function Upgrade({ info, open }: { info: UpgradeInfo; open: boolean }) {
  const facts = [
    info.from && info.to && info.from !== info.to && `from ${info.from}`,
    info.source && `source ${info.source}`,
    info.signedBy && `signed by ${info.signedBy}`,
    info.channel && `channel ${info.channel}`,
    info.size && bytes(info.size),
    info.failure && `taken back: ${info.failure}`,
  ].filter(Boolean);
  const items = info.items ?? [];
  const lines = info.lastLines ?? [];
  return (
    <div className="space-y-1.5 text-sm">
      {facts.length > 0 && <p className="text-muted">{facts.join(" · ")}</p>}
      {items.length > 0 && (
        <details open={open}>
          <summary className="text-muted">{count(items.length, "worker")}</summary>
          <ul className="space-y-1 pt-1">
            {items.map((item) => (
              <li key={item.workerId} className="flex flex-wrap items-center gap-2">
                <StateBadge state={item.status} />
                <bdi className="max-w-60 truncate">{item.label}</bdi>
                {item.canary && <span className="text-muted">goes first</span>}
                {item.from && item.to && (
                  <span className="text-muted">
                    {item.from} → {item.to}
                  </span>
                )}
                {item.error && <span className="text-bad">{item.error}</span>}
              </li>
            ))}
          </ul>
        </details>
      )}
      {info.notes && (
        <details>
          <summary className="text-muted">Release notes</summary>
          <p className="max-h-60 overflow-y-auto pt-1 whitespace-pre-wrap">{info.notes}</p>
        </details>
      )}
      {lines.length > 0 && (
        <details open={open}>
          <summary className="text-muted">What the new version wrote last</summary>
          <div className="flex items-start gap-1">
            <pre className="max-h-60 min-w-0 flex-1 overflow-auto rounded-md bg-bg p-2 font-mono text-xs">
              {lines.join("\n")}
            </pre>
            <CopyButton text={lines.join("\n")} label="Copy the lines" />
          </div>
        </details>
      )}
    </div>
  );
}
