import { Link } from "@tanstack/react-router";
import type { RunDetail } from "../../api/types.ts";
import { count, instant } from "../../lib/format.ts";
import type { GraphState } from "../../lib/graph-state.ts";
import { Facts, Panel } from "../../ui/panel.tsx";
import { At } from "../../ui/time.tsx";
import { ObjectPanel } from "../object-view.tsx";
import { ended } from "../queries/runs.ts";

/** What went into a run and what came out, and how it was started. */
export function RunData({ run, graph }: { run: RunDetail; graph: GraphState }) {
  return (
    <>
      <div className="grid grid-cols-1 gap-4 lg:grid-cols-2 lg:items-start">
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
            ["Started by", run.triggeredBy || "not recorded"],
            ["On failure", run.failureMode],
            ["Created", <At key="c" at={run.createdAt} />],
            ["Started", <At key="s" at={run.startedAt} />],
            ["Ended", instant(run.completedAt) ? <At key="e" at={run.completedAt} /> : "not yet"],
          ]}
        />
      </Panel>
    </>
  );
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
