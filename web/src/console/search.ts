import type { Command, CommandSource } from "../lib/commands.ts";
import { workerName } from "./fleet/worker-words.ts";
import { hostsQuery } from "./queries/hosts.ts";
import { pipelinesQuery } from "./queries/pipelines.ts";
import { runQuery } from "./queries/runs.ts";
import { servicesQuery } from "./queries/services.ts";
import { workersQuery } from "./queries/workers.ts";
import { queries } from "./server.ts";

const most = 8;

/** Goes to an address of the console. */
export type Go = (path: string) => void;

/** Finds pipelines, services and workers by a part of their names, and a run by its id. */
export function searchEverything(workspace: string, go: Go): CommandSource {
  return async (typed) => {
    const needle = typed.toLowerCase();
    const [pipelines, services, hosts, workers, run] = await Promise.allSettled([
      queries.ensureQueryData(pipelinesQuery),
      queries.ensureQueryData(servicesQuery),
      queries.ensureQueryData(hostsQuery),
      workspace ? queries.ensureQueryData(workersQuery(workspace)) : [],
      /^[\w-]{6,}$/.test(typed) ? queries.fetchQuery(runQuery(typed)) : null,
    ]);
    const among = <T>(
      result: PromiseSettledResult<T[]>,
      group: string,
      name: (item: T) => string,
      path: (item: T) => string,
    ) =>
      (result.status === "fulfilled" ? result.value : [])
        .filter((item) => name(item).toLowerCase().includes(needle))
        .slice(0, most)
        .map((item): Command => ({ id: path(item), label: name(item), group, run: () => go(path(item)) }));
    const found = run.status === "fulfilled" ? run.value : null;
    return [
      ...(found
        ? [{ id: `/runs/${found.id}`, label: found.id, group: "Run", run: () => go(`/runs/${found.id}`) }]
        : []),
      ...among(
        pipelines,
        "Pipelines",
        (p) => p.id,
        (p) => `/pipelines/${encodeURIComponent(p.id)}`,
      ),
      ...among(
        services,
        "Services",
        (s) => s.id,
        () => "/services",
      ),
      ...among(
        hosts,
        "Hosts",
        (h) => h.name,
        (h) => `/hosts/${encodeURIComponent(h.id)}`,
      ),
      ...among(workers, "Workers", workerName, (w) => `/hosts?view=workers&q=${encodeURIComponent(w.id)}`),
    ];
  };
}
