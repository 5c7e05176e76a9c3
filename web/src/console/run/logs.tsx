import { lazy, Suspense, useMemo } from "react";
import type { GraphNode, GraphState } from "../../lib/graph-state.ts";
import { parsePicked, writePicked } from "../../log/picked.ts";
import { Loading } from "../../ui/panel.tsx";
import { logLevels, taskLog } from "../task-log.tsx";
import { ChooseTask, taskOf } from "./choose-task.tsx";

const LogViewer = lazy(async () => ({ default: (await import("../../log/viewer.tsx")).LogViewer }));

interface Props {
  graph: GraphState;
  task: string | undefined;
  onTask: (task: string) => void;
  /** The lines that are picked: "120" or "120-140". */
  line: string | undefined;
  onLine: (line: string | undefined) => void;
}

/** The log of one task of a run, whole. */
export function RunLogs({ graph, task, onTask, line, onLine }: Props) {
  const node = taskOf(graph, task);
  return (
    <div className="card overflow-hidden">
      <div className="border-b border-line px-3 py-2.5">
        <ChooseTask graph={graph} value={node?.id ?? ""} onChange={onTask} />
      </div>
      {node?.run?.logsPath ? (
        <Log key={`${node.run.id} ${node.run.logsPath}`} node={node} line={line} onLine={onLine} />
      ) : (
        <p className="p-4 text-muted">{whyNoLog(node)}</p>
      )}
    </div>
  );
}

function whyNoLog(node: GraphNode | undefined): string {
  if (!node?.run) return "This task has not begun, so it has no log.";
  if (node.run.completedAt) return "This attempt left no log.";
  return "The log is stored when the attempt ends. Until then, see the events of the task.";
}

function Log({ node, line, onLine }: { node: GraphNode; line: string | undefined; onLine: Props["onLine"] }) {
  const id = node.run?.id ?? "";
  const source = useMemo(() => taskLog(id), [id]);
  return (
    <div className="flex h-[min(70vh,44rem)] min-h-80 flex-col">
      <Suspense fallback={<Loading lines={6} />}>
        <LogViewer
          source={source}
          label={`Log of ${node.id}`}
          marks={logLevels.map((level) => [level, level])}
          picked={parsePicked(line)}
          onPick={(p) => onLine(writePicked(p))}
          link={window.location.href}
          className="min-h-0 flex-1"
        />
      </Suspense>
    </div>
  );
}
