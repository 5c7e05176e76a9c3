import { lazy, Suspense, useMemo } from "react";
import type { GraphNode, GraphState } from "../../lib/graph-state.ts";
import { type Picked, parsePicked, writePicked } from "../../log/picked.ts";
import { Loading } from "../../ui/panel.tsx";
import { taskLog } from "../task-log.tsx";
import { ChooseTask, taskOf } from "./choose-task.tsx";
import { type LogLevel, logLevels } from "./search.ts";

const LogViewer = lazy(async () => ({ default: (await import("../../log/viewer.tsx")).LogViewer }));

interface Props {
  graph: GraphState;
  task: string | undefined;
  onTask: (task: string) => void;
  /** The lines that are picked: "120" or "120-140". */
  line: string | undefined;
  onLine: (line: string | undefined) => void;
  level: LogLevel | undefined;
  onLevel: (level: LogLevel | undefined) => void;
}

/** The log of one task of a run, whole. */
export function RunLogs(props: Props) {
  const { graph, task, onTask } = props;
  const node = taskOf(graph, task);
  return (
    <div className="card overflow-hidden">
      <div className="border-b border-line px-3 py-2.5">
        <ChooseTask graph={graph} value={node?.id ?? ""} onChange={onTask} />
      </div>
      {node?.run?.logsPath ? (
        <Log key={`${node.run.id} ${node.run.logsPath}`} {...props} node={node} />
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

/** The address of the page with lines of a task picked, also where the task was not chosen but is the one that says most. */
function linkTo(node: GraphNode, picked: Picked): string {
  const url = new URL(window.location.href);
  url.searchParams.set("task", node.id);
  url.searchParams.set("line", writePicked(picked) ?? "");
  return url.href;
}

function Log({ node, line, onLine, level, onLevel }: Props & { node: GraphNode }) {
  const id = node.run?.id ?? "";
  const source = useMemo(() => taskLog(id), [id]);
  const picked = useMemo(() => parsePicked(line), [line]);
  return (
    <div className="flex h-[min(70vh,44rem)] min-h-80 flex-col">
      <Suspense fallback={<Loading lines={6} />}>
        <LogViewer
          source={source}
          label={`Log of ${node.id}`}
          marks={logLevels.map((level) => [level, level])}
          mark={level}
          onMark={(mark) => onLevel(logLevels.find((l) => l === mark))}
          picked={picked}
          onPick={(p) => onLine(writePicked(p))}
          link={(p) => linkTo(node, p)}
          className="min-h-0 flex-1"
        />
      </Suspense>
    </div>
  );
}
