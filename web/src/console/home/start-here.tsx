import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleCheck, CircleDashed } from "lucide-react";
import type { ReactNode } from "react";
import { shellQuote } from "../../lib/format.ts";
import { Command } from "../../ui/copy.tsx";
import { Panel } from "../../ui/panel.tsx";
import { useMayChange } from "../gate.tsx";
import { pendingQuery } from "../queries/enrollments.ts";
import { hostsQuery } from "../queries/hosts.ts";
import { pipelinesQuery } from "../queries/pipelines.ts";
import { servicesQuery } from "../queries/services.ts";

/**
 * What stands on the home page until there is a first run: the way there. Each step ticks itself off when it is done,
 * wherever it was done, and the page becomes the usual one with the first run.
 */
export function StartHere() {
  const hosts = useQuery(hostsQuery);
  const pending = useQuery(pendingQuery);
  const services = useQuery(servicesQuery);
  const pipelines = useQuery(pipelinesQuery);
  const may = useMayChange();
  const here = hosts.data?.filter((h) => h.status !== "revoked") ?? [];
  const waiting = pending.data?.[0];
  const offered = services.data ?? [];
  const first = pipelines.data?.[0];
  return (
    <Panel title="Start here">
      <ol className="divide-y divide-line" data-start-here>
        <Step title="Connect a host" done={here.length > 0}>
          {here.length > 0 ? (
            <>
              {here[0]?.label || here[0]?.name} has joined
              {here.length > 1 && `, and ${here.length - 1} more`}.
            </>
          ) : waiting ? (
            <>
              {waiting.hostname || waiting.label || "A host"} asks to join.{" "}
              <Link
                to="/activate"
                search={waiting.userCode ? { code: waiting.userCode } : {}}
                className="link font-medium"
              >
                Review
              </Link>
            </>
          ) : (
            <>
              <p>On a machine that is to run tasks, this one for example. It asks here for approval.</p>
              <Command text={`pipedai-orchestrator connect --api-url ${window.location.origin}`} />
            </>
          )}
        </Step>
        <Step title="Offer tasks" done={offered.length > 0}>
          {offered.length > 0 ? (
            <>The worker of {offered[0]?.id} is there.</>
          ) : (
            <>
              <p>Any program that reads JSON and writes JSON is a task. Name the file that says which there are:</p>
              <Command text={`pipedai-orchestrator connect --api-url ${window.location.origin} --tasks hello.yaml`} />
            </>
          )}
        </Step>
        <Step title="Run a pipeline" done={false}>
          {first ? (
            <>
              <p>
                <Link to="/pipelines/$id" params={{ id: first.id }} className="link font-medium">
                  {first.name || first.id}
                </Link>{" "}
                is ready{may ? ": start it there, or" : "."}
              </p>
              {may && <Command text={`pipeweave trigger ${shellQuote(first.id)} --input '{}' --wait`} />}
            </>
          ) : (
            <>Pipelines follow from the tasks that workers offer. The first one appears here.</>
          )}
        </Step>
      </ol>
    </Panel>
  );
}

function Step({ title, done, children }: { title: string; done: boolean; children: ReactNode }) {
  const Icon = done ? CircleCheck : CircleDashed;
  return (
    <li className="flex gap-3 px-4 py-3.5" data-done={done}>
      <Icon aria-hidden className={`mt-0.5 size-5 shrink-0 ${done ? "text-ok" : "text-muted"}`} />
      <div className="min-w-0 flex-1 space-y-2">
        <p className="font-semibold">
          {title}
          {done && <span className="sr-only">: done</span>}
        </p>
        <div className="space-y-2 text-muted">{children}</div>
      </div>
    </li>
  );
}
