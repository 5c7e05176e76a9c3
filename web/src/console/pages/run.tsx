import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useMemo, useRef } from "react";
import { ApiError } from "../../api/client.ts";
import type { RunDetail } from "../../api/types.ts";
import { count, shortId } from "../../lib/format.ts";
import { deriveGraph, failedNodes, type GraphState } from "../../lib/graph-state.ts";
import { useShortcuts } from "../../lib/keyboard.ts";
import { Command, Id } from "../../ui/copy.tsx";
import { Awaited, Empty, Loading } from "../../ui/panel.tsx";
import { lookOf, StateBadge } from "../../ui/state.tsx";
import { Tabs } from "../../ui/tabs.tsx";
import { Ago, Elapsed } from "../../ui/time.tsx";
import { announce } from "../../ui/toast.tsx";
import { firstFailure, RunFailure, statusCommand } from "../failure.tsx";
import { History } from "../history.tsx";
import { present } from "../params.ts";
import { Heading } from "../parts.tsx";
import { ended, runQuery } from "../queries/runs.ts";
import { RunActions } from "../run/actions.tsx";
import { RunData } from "../run/data.tsx";
import { RunEvents } from "../run/events.tsx";
import { RunLogs } from "../run/logs.tsx";
import { type RunSearch, type RunTab, runTabs } from "../run/search.ts";
import { TaskTable } from "../run/task-table.tsx";
import { GraphOrList, TaskPanel } from "../task-views.tsx";

const Timeline = lazy(() => import("../timeline/timeline.tsx"));

const route = getRouteApi("/runs/$id");

export function RunPage() {
  const { id } = route.useParams();
  const run = useQuery(runQuery(id));
  if (run.data) return <Detail run={run.data} />;
  const missing = run.error instanceof ApiError && run.error.status === 404;
  return (
    <>
      <Heading title={<span className="font-mono">{shortId(id, 28)}</span>} tab="Run" above={<Back />} />
      <div className="card">
        {missing ? (
          <Empty title="There is no run with this id" command="pipeweave runs">
            It may be older than what is kept. These are the newest:
          </Empty>
        ) : (
          <Awaited query={run} what="The run could not be loaded" lines={6} />
        )}
      </div>
    </>
  );
}

// More than these are better read as a list.
const mostUnfolded = 150;

const labels: Record<RunTab, string> = {
  graph: "Graph",
  timeline: "Timeline",
  tasks: "Tasks",
  logs: "Logs",
  events: "Events",
  data: "Input and output",
};

function Detail({ run }: { run: RunDetail }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const graph = useMemo(
    () =>
      deriveGraph({
        structure: run.structureSnapshot,
        entryTasks: run.entryTasks,
        tasks: run.tasks,
        status: run.status,
        failureMode: run.failureMode,
      }),
    [run],
  );
  const over = ended(run.status);
  const failed = useMemo(() => failedNodes(graph), [graph]);
  const trouble = failed.length > 0 || Boolean(run.error);
  const set = (change: RunSearch) =>
    void navigate({
      search: (old: RunSearch) => present({ ...old, ...change }),
      resetScroll: false,
      replace: !("tab" in change || "task" in change),
    });
  const tab = search.tab ?? "graph";
  const open = (task: string) => set({ task: task === search.task ? undefined : task });
  useShortcuts([
    ...runTabs.map((name, i) => ({
      keys: `${i + 1}`,
      label: `Show ${labels[name].toLowerCase()}`,
      run: () => set({ tab: name }),
    })),
    ...(search.task ? [{ keys: "c", label: "Close the task", run: () => set({ task: undefined }) }] : []),
  ]);
  useSpokenStatus(run);

  const selected = graph.nodes.find((n) => n.id === search.task);
  const withTask = tab === "graph" || tab === "timeline" || tab === "tasks";
  return (
    <>
      <Heading
        title={
          <span className="inline-flex max-w-full flex-wrap items-center gap-x-3 gap-y-1">
            <span>{run.pipelineId}</span>
            <span data-run-status={run.status}>
              <StateBadge state={run.status} />
            </span>
          </span>
        }
        tab={`${lookOf(run.status).label}: ${run.pipelineId}`}
        above={<Back />}
        below={
          <span className="inline-flex flex-wrap items-center gap-x-4 gap-y-1 text-sm">
            <Id id={run.id} what="run id" length={30} />
            <span>
              created <Ago at={run.createdAt} />
              {run.triggeredBy && <> by {run.triggeredBy}</>}
            </span>
            <span>
              {over ? "took" : "running for"} <Elapsed start={run.startedAt ?? run.createdAt} end={run.completedAt} />
            </span>
            <span>{summary(graph)}</span>
          </span>
        }
      >
        <RunActions run={run} />
      </Heading>

      {trouble && (
        <RunFailure
          run={run}
          failed={failed}
          onOpen={(task) => set({ task, tab: withTask ? tab : "graph" })}
          onShow={(to, task, line) => set({ task, tab: to, line: line === undefined ? undefined : String(line) })}
        />
      )}

      <Tabs
        label="Parts of this run"
        tabs={runTabs.map((name) => ({
          name,
          label: labels[name],
          ...(name === "tasks" ? { count: graph.nodes.length } : {}),
        }))}
        value={tab}
        onChange={(name) => set({ tab: name === "graph" ? undefined : name })}
      >
        <div className="space-y-4">
          {tab === "graph" && (
            <div className="card overflow-hidden">
              <GraphOrList
                graph={graph}
                run={run}
                selected={search.task}
                unfold={search.unfold}
                onSelect={open}
                onGroup={(group) =>
                  group.members.length > mostUnfolded
                    ? set({ tab: "tasks", find: group.name, state: undefined })
                    : set({ unfold: [...(search.unfold ?? []), group.id] })
                }
                onFold={() => set({ unfold: undefined })}
              />
            </div>
          )}
          {tab === "timeline" && (
            <div className="card overflow-hidden">
              <Suspense fallback={<Loading label="Drawing the time line" lines={6} />}>
                <Timeline
                  run={run}
                  graph={graph}
                  selected={search.task}
                  onSelect={open}
                  view={search}
                  onView={(change) => set({ ...change })}
                />
              </Suspense>
            </div>
          )}
          {tab === "tasks" && (
            <div className="card overflow-hidden">
              <TaskTable
                graph={graph}
                runId={run.id}
                selected={search.task}
                filter={search}
                onFilter={(change) => set(change)}
              />
            </div>
          )}
          {tab === "logs" && (
            <RunLogs
              graph={graph}
              task={search.task}
              onTask={(task) => set({ task, line: undefined })}
              line={search.line}
              onLine={(line) => set({ line })}
              level={search.level}
              onLevel={(level) => set({ level })}
            />
          )}
          {tab === "events" && <RunEvents graph={graph} task={search.task} onTask={(task) => set({ task })} />}
          {tab === "data" && <RunData run={run} graph={graph} />}
          {withTask && selected && (
            <TaskPanel
              key={selected.id}
              graph={graph}
              node={selected}
              told={trouble && selected.id === firstFailure(failed)}
              onClose={() => set({ task: undefined })}
            />
          )}
        </div>
      </Tabs>
      {over && <History object={run.id} quiet />}
      {!trouble && <Command text={statusCommand(run)} />}
    </>
  );
}

/** The end of a run is worth a word to who does not see it. */
function useSpokenStatus(run: RunDetail): void {
  const before = useRef(run.status);
  useEffect(() => {
    if (before.current !== run.status) announce(`Run ${lookOf(run.status).label.toLowerCase()}`);
    before.current = run.status;
  }, [run.status]);
}

function summary(graph: GraphState): string {
  const number = (...states: string[]) => graph.nodes.filter((n) => states.includes(n.state)).length;
  const others: [number, string][] = [
    [number("failed", "timeout"), "failed"],
    [number("cancelled"), "cancelled"],
    [number("skipped"), "skipped"],
  ];
  return [
    `${number("completed")} of ${count(graph.nodes.length, "task")} done`,
    ...others.filter(([n]) => n > 0).map(([n, word]) => `${n} ${word}`),
  ].join(", ");
}

function Back() {
  return (
    <Link to="/runs" className="hover:underline">
      Runs
    </Link>
  );
}
