import { X } from "lucide-react";
import { lazy, type ReactNode, Suspense, useEffect, useMemo, useRef, useState } from "react";
import type { RunDetail, TaskRun } from "../api/types.ts";
import { bytes, count } from "../lib/format.ts";
import { type GraphNode, type GraphState, whyNotRun } from "../lib/graph-state.ts";
import { IconButton } from "../ui/button.tsx";
import { Id } from "../ui/copy.tsx";
import { Facts, Loading, Panel } from "../ui/panel.tsx";
import { StateBadge } from "../ui/state.tsx";
import { Ago, At, Elapsed } from "../ui/time.tsx";
import { ErrorText } from "./failure.tsx";
import { findAlike, foldGraph, type Group } from "./graph/fold.ts";
import type { GraphProps } from "./graph/graph.tsx";
import { DownloadButton, ObjectBody } from "./object-view.tsx";
import { TaskTable } from "./run/task-table.tsx";
import { TaskLog } from "./task-log.tsx";

const Graph = lazy(() => import("./graph/graph.tsx"));

/** The graph, which comes with a library of its own weight and is fetched when it is first shown. */
function LazyGraph(props: GraphProps) {
  return (
    <Suspense fallback={<Loading label="Drawing the graph" />}>
      <Graph {...props} />
    </Suspense>
  );
}

/** The graph of a definition, which has no states. */
export function DefinitionGraph({ graph, name }: { graph: GraphState; name: string }) {
  const alike = useMemo(() => findAlike(graph), [graph]);
  const [open, setOpen] = useState<string[]>([]);
  const folded = useMemo(() => foldGraph(graph, alike, new Set(open)), [graph, alike, open]);
  if (folded.graph.nodes.length > mostNodes) return <TooLarge tasks={folded.graph.nodes.length} />;
  return (
    <LazyGraph
      graph={graph}
      folded={folded}
      name={name}
      definition
      onGroup={(group) => setOpen([...open, group.id])}
      onFold={() => setOpen([])}
    />
  );
}

function TooLarge({ tasks }: { tasks: number }) {
  return (
    <p className="border-b border-line bg-sunken px-3 py-1.5 text-sm text-muted">
      A graph of {count(tasks, "task")} says nothing any more, so here they are as a list, in the order of the graph.
    </p>
  );
}

const mostNodes = 700;

/** The graph; where it would be too large to be one, or on a phone, the tasks as a list that says the same. */
export function GraphOrList({
  graph,
  run,
  selected,
  unfold,
  onSelect,
  onGroup,
  onFold,
}: {
  graph: GraphState;
  run: RunDetail;
  selected: string | undefined;
  /** What stands for many and is drawn one by one all the same. */
  unfold: string[] | undefined;
  onSelect: (task: string) => void;
  onGroup: (group: Group) => void;
  onFold: () => void;
}) {
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is alike hangs on the shape alone
  const alike = useMemo(() => findAlike(graph), [run.structureSnapshot]);
  const open = unfold?.join("\n") ?? "";
  const folded = useMemo(() => foldGraph(graph, alike, new Set(open.split("\n"))), [graph, alike, open]);
  const list = <TaskTable graph={graph} runId={run.id} selected={selected} />;
  if (folded.graph.nodes.length > mostNodes)
    return (
      <>
        <TooLarge tasks={folded.graph.nodes.length} />
        {list}
      </>
    );
  return (
    <>
      <div className="max-sm:hidden">
        <LazyGraph
          graph={graph}
          folded={folded}
          name={run.id}
          selected={selected}
          onSelect={onSelect}
          onGroup={onGroup}
          onFold={onFold}
        />
      </div>
      <div className="sm:hidden">{list}</div>
    </>
  );
}

/** One task of a run: how it went, attempt by attempt, and what it left. */
export function TaskPanel({
  graph,
  node,
  told,
  onClose,
}: {
  graph: GraphState;
  node: GraphNode;
  /** Its error and the end of its log stand on the page already. */
  told?: boolean;
  onClose: () => void;
}) {
  const run = node.run;
  const top = useRef<HTMLDivElement>(null);
  // What was asked for may lie below the fold, and always does on a phone.
  useEffect(() => {
    top.current?.scrollIntoView({ block: "nearest" });
  }, []);
  return (
    <div ref={top}>
      <Panel
        title={`Task ${node.id}`}
        aside={
          <>
            <StateBadge state={node.state} />
            <IconButton icon={X} label="Close the task" onClick={onClose} />
          </>
        }
      >
        {!run ? (
          <p className="p-4 text-muted">
            {node.state === "skipped" ? "This task did not run" : "This task has not begun"}: {whyNotRun(graph, node)}.
          </p>
        ) : (
          <div className="grid gap-4 p-4 lg:grid-cols-2">
            <div className="min-w-0 space-y-4">
              {run.error && !told && <ErrorText text={run.error} code={run.errorCode} />}
              <Facts
                items={[
                  ["Task run", <Id key="id" id={run.id} what="task run id" length={26} />],
                  ["Attempt", `${run.attempt} of ${run.maxRetries + 1}`],
                  ["Queued", <Ago key="q" at={run.createdAt} />],
                  ["Started", <Ago key="s" at={run.startedAt} />],
                  ["Duration", <Elapsed key="d" start={run.startedAt} end={run.completedAt} />],
                  [
                    "Code",
                    <span key="c">
                      version {run.codeVersion}
                      {run.codeChanged && <span className="text-warn"> · changed since its last run</span>}
                      {run.firstRun && " · first run"}
                    </span>,
                  ],
                  ...(run.selectedNext
                    ? ([["Chose", run.selectedNext.length > 0 ? run.selectedNext.join(", ") : "to end here"]] as [
                        string,
                        string,
                      ][])
                    : []),
                ]}
              />
              <Attempts run={run} />
              <Assets run={run} />
            </div>
            <div className="min-w-0 space-y-4">
              <Stored
                title={run.outputSize === undefined ? "Output" : `Output (${bytes(run.outputSize)})`}
                path={run.status === "completed" ? run.outputPath : undefined}
                absent={run.completedAt ? "None." : "None yet."}
              >
                {(path) => <ObjectBody path={path} label={`Output of ${node.id}`} />}
              </Stored>
              {!told && (
                <Stored
                  title="Log"
                  path={run.logsPath}
                  absent={run.completedAt ? "This attempt left no log." : "It is stored when the attempt ends."}
                >
                  {(path) => <TaskLog run={run.id} path={path} label={`Log of ${node.id}`} />}
                </Stored>
              )}
            </div>
          </div>
        )}
      </Panel>
    </div>
  );
}

/** An object that the task run left, and a button that saves it; or a word why there is none. */
function Stored({
  title,
  path,
  absent,
  children,
}: {
  title: string;
  path: string | undefined;
  absent: string;
  children: (path: string) => ReactNode;
}) {
  return (
    <div>
      <h3 className="flex min-h-8 items-center justify-between text-sm font-medium text-muted">
        {title}
        {path && <DownloadButton path={path} />}
      </h3>
      {path ? (
        <div className="overflow-hidden rounded-md border border-line">{children(path)}</div>
      ) : (
        <p className="text-muted">{absent}</p>
      )}
    </div>
  );
}

function Attempts({ run }: { run: TaskRun }) {
  const before = (run.previousAttempts ?? []).filter((a) => a.attempt < run.attempt); // the last one stands above
  if (before.length === 0) return null;
  return (
    <div>
      <h3 className="mb-1.5 text-sm font-medium text-muted">Attempts before</h3>
      <ol className="space-y-1.5">
        {before.map((a) => (
          <li key={a.attempt} className="rounded-md border border-line px-2.5 py-1.5">
            <p className="text-sm text-muted">
              Attempt {a.attempt}
              {a.timestamp && (
                <>
                  , <At at={a.timestamp} />
                </>
              )}
              {a.errorCode && <span className="font-mono"> · {a.errorCode}</span>}
            </p>
            <p className="font-mono text-sm">{a.error}</p>
          </li>
        ))}
      </ol>
    </div>
  );
}

function Assets({ run }: { run: TaskRun }) {
  const assets = Object.entries(run.assets ?? {});
  if (assets.length === 0) return null;
  return (
    <div>
      <h3 className="mb-1.5 text-sm font-medium text-muted">Assets</h3>
      <ul className="divide-y divide-line rounded-md border border-line">
        {assets.map(([key, asset]) => (
          <li key={key} className="flex items-center gap-2 py-0.5 pr-1 pl-2.5">
            <span className="min-w-0 flex-1 truncate font-mono text-sm">{key}</span>
            <span className="text-sm text-muted">
              {asset.type}, {bytes(asset.size)}
            </span>
            <DownloadButton path={asset.path} size={asset.size} />
          </li>
        ))}
      </ul>
    </div>
  );
}
