import type { ReactNode } from "react";
import type { RunDetail } from "../api/types.ts";
import { count, shellQuote } from "../lib/format.ts";
import type { GraphNode } from "../lib/graph-state.ts";
import { Command, CopyButton } from "../ui/copy.tsx";
import { StateBadge } from "../ui/state.tsx";
import { Ago } from "../ui/time.tsx";
import { TaskLog } from "./task-log.tsx";

const shownFailures = 5;
const shownLogLines = 20;

/** The task that a run failed with, whose error and log stand first on its page. */
export const firstFailure = (failed: readonly GraphNode[]): string | undefined => failed[0]?.id;

/**
 * For a run that went wrong, first of all: which task, which attempt, what it said, the end of its log, and what can be
 * done about it, here or in a terminal.
 */
export function RunFailure({
  run,
  failed,
  onOpen,
  onShow,
  actions,
}: {
  run: RunDetail;
  failed: GraphNode[];
  onOpen: (task: string) => void;
  /** Shows the log of a task, at a line where one is known, or its events. */
  onShow: (tab: "logs" | "events", task: string, line?: number) => void;
  actions?: ReactNode;
}) {
  const node = failed[0];
  const first = node?.run;
  return (
    <section aria-label="What failed" className="card overflow-hidden">
      <div className="space-y-3 p-3">
        {failed.length === 0 && <ErrorText text={run.error ?? ""} />}
        {failed.slice(0, shownFailures).map((node) => (
          <FailedTask key={node.id} node={node} onOpen={onOpen} />
        ))}
        {failed.length > shownFailures && (
          <p className="text-muted">{count(failed.length - shownFailures, "more task")} failed after these.</p>
        )}
      </div>
      {node && first?.logsPath && (
        <div className="border-t border-line">
          <h2 className="border-b border-line px-3 py-1.5 text-sm text-muted">
            The end of the log of {node.id}, attempt {first.attempt}
          </h2>
          <TaskLog
            run={first.id}
            path={first.logsPath}
            label={`End of the log of ${node.id}`}
            last={shownLogLines}
            onOpen={(line) => onShow("logs", node.id, line)}
          />
        </div>
      )}
      <div className="flex flex-wrap items-center gap-2 border-t border-line px-3 py-2">
        {actions}
        {node && first && !first.logsPath && (
          <span className="text-sm text-muted">
            The attempt left no log; its{" "}
            <button type="button" className="link" onClick={() => onShow("events", node.id)}>
              events
            </button>{" "}
            may say more.
          </span>
        )}
        <span className="min-w-64 flex-1">
          <Command text={statusCommand(run)} />
        </span>
      </div>
    </section>
  );
}

/** What says the same in a terminal. */
export const statusCommand = (run: RunDetail) => `pipeweave status ${shellQuote(run.id)}`;

function FailedTask({ node, onOpen }: { node: GraphNode; onOpen: (task: string) => void }) {
  const { run } = node;
  const most = (run?.maxRetries ?? 0) + 1;
  return (
    <div className="space-y-1.5">
      <p className="flex flex-wrap items-center gap-x-2 gap-y-1">
        <StateBadge state={node.state} />
        <strong className="min-w-0 font-semibold">{node.id}</strong>
        {run && (
          <span className="text-muted">
            at attempt {run.attempt} of {most}
            {run.attempt < most && ", not retried"}, <Ago at={run.completedAt} />
          </span>
        )}
        <button type="button" className="link ml-auto text-sm" onClick={() => onOpen(node.id)}>
          Open the task
        </button>
      </p>
      <ErrorText text={run?.error || "No reason was given."} code={run?.errorCode} />
    </div>
  );
}

/** An error as it was reported, whole, with a button that copies it. */
export function ErrorText({ text, code }: { text: string; code?: string | undefined }) {
  return (
    <div className="tone-bad tint flex items-start gap-2 rounded-md border p-2.5">
      <div className="min-w-0 flex-1">
        {code && <p className="font-mono text-xs">{code}</p>}
        <pre className="max-h-48 overflow-y-auto font-mono text-sm whitespace-pre-wrap text-text">{text}</pre>
      </div>
      <CopyButton text={text} label="Copy error" />
    </div>
  );
}
