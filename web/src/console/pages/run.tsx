import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Ban, Play, Rows3, Workflow } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { ApiError } from "../../api/client.ts";
import type { RunDetail } from "../../api/types.ts";
import { count, shortId } from "../../lib/format.ts";
import { deriveGraph, failedNodes, type GraphState } from "../../lib/graph-state.ts";
import { useShortcuts } from "../../lib/keyboard.ts";
import { Button } from "../../ui/button.tsx";
import { Command, Id } from "../../ui/copy.tsx";
import { Confirm } from "../../ui/dialog.tsx";
import { Empty, Facts, Failure, Loading, Panel } from "../../ui/panel.tsx";
import { lookOf, StateBadge } from "../../ui/state.tsx";
import { Ago, Elapsed } from "../../ui/time.tsx";
import { announce, toast, toastError } from "../../ui/toast.tsx";
import { RunFailure, statusCommand } from "../failure.tsx";
import { useMayChange } from "../gate.tsx";
import { ObjectPanel } from "../object-view.tsx";
import { Heading } from "../parts.tsx";
import { cancelRun, ended, runQuery } from "../queries/runs.ts";
import type { RunSearch } from "../routes/work.ts";
import { LazyGraph, TaskPanel, TaskTable } from "../task-views.tsx";
import { TriggerDialog } from "../trigger-dialog.tsx";

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
        ) : run.isError ? (
          <Failure what="The run could not be loaded" error={run.error} retry={() => void run.refetch()} />
        ) : (
          <Loading lines={6} />
        )}
      </div>
    </>
  );
}

function Detail({ run }: { run: RunDetail }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const may = useMayChange();
  const [asking, setAsking] = useState(false);
  const [again, setAgain] = useState(false);
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
  const failed = failedNodes(graph);
  const trouble = failed.length > 0 || Boolean(run.error);
  const set = (change: RunSearch) =>
    void navigate({
      search: (old: RunSearch) =>
        Object.fromEntries(Object.entries({ ...old, ...change }).filter(([, v]) => v !== undefined)),
      resetScroll: false,
    });
  const cancel = useMutation({
    mutationFn: () => cancelRun(run.id),
    onSuccess: () => toast("ok", "The run is being cancelled", "Tasks that run are asked to stop."),
    onError: (cause) => toastError("The run could not be cancelled", cause),
  });
  useShortcuts([
    {
      keys: "v",
      label: "Switch between graph and table",
      run: () => set({ view: search.view === "table" ? undefined : "table" }),
    },
    ...(search.task ? [{ keys: "c", label: "Close the task", run: () => set({ task: undefined }) }] : []),
  ]);
  useSpokenStatus(run);

  const selected = graph.nodes.find((n) => n.id === search.task);
  const table = search.view === "table";
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
            </span>
            <span>
              {over ? "took" : "running for"} <Elapsed start={run.startedAt ?? run.createdAt} end={run.completedAt} />
            </span>
            <span>{summary(graph)}</span>
          </span>
        }
      >
        {over ? (
          <Button icon={Play} disabled={!may} onClick={() => setAgain(true)}>
            Run again
          </Button>
        ) : (
          <Button icon={Ban} pending={cancel.isPending} disabled={!may} onClick={() => setAsking(true)}>
            Cancel
          </Button>
        )}
      </Heading>

      {trouble && <RunFailure run={run} failed={failed} onOpen={(task) => set({ task })} />}

      <Panel
        title="Tasks"
        aside={
          <div className="flex max-sm:hidden">
            <ViewButton icon={Workflow} label="Graph" on={!table} onClick={() => set({ view: undefined })} />
            <ViewButton icon={Rows3} label="Table" on={table} onClick={() => set({ view: "table" })} />
          </div>
        }
      >
        {/* A graph does not fit a phone; there the table stands for it. */}
        {table ? (
          <TaskTable graph={graph} runId={run.id} selected={search.task} />
        ) : (
          <>
            <div className="max-sm:hidden">
              <LazyGraph
                graph={graph}
                selected={search.task}
                onSelect={(task) => set({ task: task === search.task ? undefined : task })}
              />
            </div>
            <div className="sm:hidden">
              <TaskTable graph={graph} runId={run.id} selected={search.task} />
            </div>
          </>
        )}
      </Panel>

      {selected && (
        <TaskPanel key={selected.id} graph={graph} node={selected} onClose={() => set({ task: undefined })} />
      )}

      <div className="grid gap-4 lg:grid-cols-2 lg:items-start">
        <ObjectPanel title="Input" path={run.inputPath || undefined} absent="This run was started without an input." />
        <Output run={run} graph={graph} />
      </div>
      <Panel title="About this run">
        <Facts
          className="p-3"
          items={[
            [
              "Pipeline",
              <Link key="p" to="/pipelines/$id" params={{ id: run.pipelineId }} className="link">
                {run.pipelineId}
              </Link>,
            ],
            ["Version", run.pipelineVersion || "none"],
            ["On failure", run.failureMode],
            ["Started", <Ago key="s" at={run.startedAt} />],
            ["Ended", run.completedAt ? <Ago key="e" at={run.completedAt} /> : "not yet"],
          ]}
        />
        {!trouble && (
          <div className="px-3 pb-3">
            <Command text={statusCommand(run)} />
          </div>
        )}
      </Panel>

      {asking && (
        <Confirm
          title="Cancel this run?"
          action="Cancel the run"
          danger
          onClose={() => setAsking(false)}
          onConfirm={() => cancel.mutate()}
        >
          <p>Tasks that wait never start, and tasks that run are asked to stop. What they have stored so far stays.</p>
        </Confirm>
      )}
      {again && <TriggerDialog pipeline={run.pipelineId} inputPath={run.inputPath} onClose={() => setAgain(false)} />}
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

const shownOutputs = 4;

function Output({ run, graph }: { run: RunDetail; graph: GraphState }) {
  const sources = new Set(graph.edges.filter((e) => e.state === "fired").map((e) => e.from));
  const ends = graph.nodes.filter((n) => n.state === "completed" && n.run?.outputPath && !sources.has(n.id));
  if (run.outputPath || ends.length <= 1) {
    return (
      <ObjectPanel
        title="Output"
        path={run.outputPath || (ended(run.status) ? ends[0]?.run?.outputPath : undefined)}
        absent={
          ended(run.status) ? "This run ended without an output." : "The output appears here when the run is through."
        }
      />
    );
  }
  return (
    <div className="space-y-4">
      {ends.slice(0, shownOutputs).map((n) => (
        <ObjectPanel key={n.id} title={`Output of ${n.id}`} path={n.run?.outputPath} absent="" />
      ))}
      {ends.length > shownOutputs && (
        <p className="text-sm text-muted">
          {count(ends.length - shownOutputs, "more task")} ended this run. Open a task to see its output.
        </p>
      )}
    </div>
  );
}

function ViewButton({
  icon,
  label,
  on,
  onClick,
}: {
  icon: typeof Rows3;
  label: string;
  on: boolean;
  onClick: () => void;
}) {
  return (
    <Button
      size="sm"
      variant="ghost"
      icon={icon}
      aria-pressed={on}
      className={on ? "bg-sunken !text-text" : ""}
      onClick={onClick}
    >
      {label}
    </Button>
  );
}

function Back() {
  return (
    <Link to="/runs" className="hover:underline">
      Runs
    </Link>
  );
}
