import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Play } from "lucide-react";
import { useMemo, useState } from "react";
import { ApiError } from "../../api/client.ts";
import { shellQuote } from "../../lib/format.ts";
import { deriveGraph } from "../../lib/graph-state.ts";
import { useShortcuts } from "../../lib/keyboard.ts";
import { Button } from "../../ui/button.tsx";
import { Command, Id } from "../../ui/copy.tsx";
import { Awaited, Empty, Facts, Panel } from "../../ui/panel.tsx";
import { Ago } from "../../ui/time.tsx";
import { useMayChange } from "../gate.tsx";
import { Heading, RunsTable } from "../parts.tsx";
import { pipelineQuery } from "../queries/pipelines.ts";
import { runsQuery } from "../queries/runs.ts";
import { DefinitionGraph } from "../task-views.tsx";
import { TriggerDialog } from "../trigger/dialog.tsx";

const route = getRouteApi("/pipelines/$id");

export function PipelinePage() {
  const { id } = route.useParams();
  const pipeline = useQuery(pipelineQuery(id));
  const runs = useQuery(runsQuery({ pipelineId: id, limit: 10 }));
  const may = useMayChange();
  const [triggering, setTriggering] = useState(false);
  useShortcuts([{ keys: "t", label: "Run this pipeline", run: () => may && setTriggering(true) }]);
  const p = pipeline.data;
  const graph = useMemo(
    () => (p ? deriveGraph({ structure: p.structure, entryTasks: p.entry_tasks, tasks: [] }) : null),
    [p],
  );

  if (!p || !graph) {
    const missing = pipeline.error instanceof ApiError && pipeline.error.status === 404;
    return (
      <>
        <Heading title={id} tab={id} above={<Back />} />
        <div className="card">
          {missing ? (
            <Empty title="There is no pipeline with this id" command="pipeweave pipelines">
              It may not be registered yet, or have been removed. These are the ones there are:
            </Empty>
          ) : (
            <Awaited query={pipeline} what="The pipeline could not be loaded" lines={5} />
          )}
        </div>
      </>
    );
  }
  const command = `pipeweave trigger ${shellQuote(id)} --input '{}' --wait`;
  return (
    <>
      <Heading title={p.name || p.id} tab={p.name || p.id} above={<Back />} below={p.description}>
        <Button
          variant="primary"
          icon={Play}
          disabled={!may}
          title={may ? undefined : "Needs the role operator or admin"}
          onClick={() => setTriggering(true)}
        >
          Run
        </Button>
      </Heading>
      <Panel title="Graph" className="max-sm:hidden">
        <DefinitionGraph graph={graph} name={p.id} />
      </Panel>
      <div className="grid grid-cols-1 gap-4 lg:grid-cols-[minmax(0,2fr)_minmax(0,1fr)] lg:items-start">
        <Panel
          title="Last runs"
          aside={
            <Link to="/runs" search={{ pipeline: id }} className="link text-sm">
              All its runs
            </Link>
          }
        >
          {runs.data ? (
            runs.data.runs.length > 0 ? (
              <RunsTable runs={runs.data.runs} pipeline={false} />
            ) : (
              <Empty icon={Play} title="It has not run yet" command={command}>
                Press Run, or type:
              </Empty>
            )
          ) : (
            <Awaited query={runs} what="Its runs could not be loaded" />
          )}
        </Panel>
        <div className="space-y-4">
          <Panel title="Definition">
            <Facts
              className="p-3"
              items={[
                ["Id", <Id key="i" id={p.id} what="pipeline id" length={28} />],
                [
                  "Version",
                  p.version ? (
                    <Link key="v" to="/runs" search={{ pipeline: id, version: p.version }} className="link">
                      {p.version}
                      <span className="sr-only">: its runs</span>
                    </Link>
                  ) : (
                    "none"
                  ),
                ],
                ["Starts with", (p.entry_tasks ?? []).join(", ")],
                ["On failure", failureWords[p.failure_mode] ?? p.failure_mode],
                ["Changed", <Ago key="u" at={p.updated_at} />],
              ]}
            />
            <div className="px-3 pb-3">
              <Command text={command} />
            </div>
          </Panel>
          <Panel title="Tasks">
            <ul className="divide-y divide-line">
              {graph.nodes.map((n) => {
                const next = graph.edges.filter((e) => e.from === n.id).map((e) => e.to);
                return (
                  <li key={n.id} className="px-3 py-2">
                    <span className="font-medium">{n.id}</span>
                    {n.entry && <span className="text-sm text-muted"> · entry</span>}
                    <span className="block text-sm text-muted">
                      {next.length > 0 ? `then ${next.join(", ")}` : "ends here"}
                    </span>
                  </li>
                );
              })}
            </ul>
          </Panel>
        </div>
      </div>
      {triggering && <TriggerDialog pipeline={id} onClose={() => setTriggering(false)} />}
    </>
  );
}

const failureWords: Record<string, string> = {
  "fail-fast": "stop everything (fail-fast)",
  continue: "go on with other branches (continue)",
  "partial-merge": "join with what there is (partial-merge)",
};

function Back() {
  return (
    <Link to="/pipelines" className="hover:underline">
      Pipelines
    </Link>
  );
}
