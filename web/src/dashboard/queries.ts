import { queryOptions } from "@tanstack/react-query";
import type {
  AdoptResult,
  Connectivity,
  FusedWorkers,
  HostConfig,
  HostEvents,
  LocalRunEvent,
  LocalRunEvents,
  LocalRuns,
  Operation,
  Operations,
  SelfStatus,
  UsageHistory,
  WorkerDetail,
} from "../api/types.ts";
import { client } from "./daemon.ts";
import { withHeard } from "./heard.ts";
import { recordHistory, recordUsage } from "./usage.ts";

export const workerPath = (id: string) => `/api/workers/${encodeURIComponent(id)}`;

/** Every worker. Status frames bring changes at once; memory and processor time are measured when somebody asks. */
export const workersQuery = queryOptions({
  queryKey: ["workers"],
  queryFn: async ({ signal }) => {
    const items = (await client.get<FusedWorkers>("/api/workers", { signal })).items ?? [];
    recordUsage(items);
    return items;
  },
  refetchInterval: 5_000,
});

/** What workers took before this page was opened. The page goes on from there by itself. */
export const usageQuery = queryOptions({
  queryKey: ["usage"],
  queryFn: async ({ signal }) => {
    const history = await client.get<UsageHistory>("/api/usage", { signal });
    recordHistory(history.items ?? []);
    return true;
  },
  // What the page has seen itself is closer together, so nothing is gained by asking again.
  staleTime: Number.POSITIVE_INFINITY,
});

export const workerQuery = (id: string) =>
  queryOptions({
    queryKey: ["worker", id],
    queryFn: ({ signal }) => client.get<WorkerDetail>(workerPath(id), { signal }),
  });

export const selfQuery = queryOptions({
  queryKey: ["self"],
  queryFn: ({ signal }) => client.get<SelfStatus>("/api/self", { signal }),
  refetchInterval: 10_000,
});

export const operationsQuery = queryOptions({
  queryKey: ["operations"],
  queryFn: async ({ signal, client: queries }): Promise<Operation[]> => {
    const items = (await client.get<Operations>("/api/operations?limit=100", { signal })).items ?? [];
    return withHeard(items, queries.getQueryData<Operation[]>(["operations"]));
  },
});

/** What happened on the host, or to one worker, newest first. */
export const eventsQuery = (worker = "") =>
  queryOptions({
    queryKey: ["events", worker],
    queryFn: async ({ signal }) => {
      const about = worker ? `&worker=${encodeURIComponent(worker)}` : "";
      const answer = await client.get<HostEvents>(`/api/events?limit=200${about}`, { signal });
      return (answer.items ?? []).toReversed();
    },
  });

export const connectivityQuery = queryOptions({
  queryKey: ["connectivity"],
  queryFn: ({ signal }) => client.get<Connectivity>("/api/connectivity?tail=500", { signal }),
});

export const adoptableQuery = queryOptions({
  queryKey: ["adoptable"],
  queryFn: ({ signal }) => client.get<AdoptResult>("/api/adoptable", { signal, timeoutMs: 60_000 }),
  staleTime: 0,
});

/** The runs that a worker left events of, newest first. Nothing announces a new one. */
export const runsQuery = (worker: string) =>
  queryOptions({
    queryKey: ["runs", worker],
    queryFn: async ({ signal }) => (await client.get<LocalRuns>(`${workerPath(worker)}/runs`, { signal })).items ?? [],
    refetchInterval: 3_000,
  });

/** Events of a run after a number, or the newest. */
export async function runEvents(
  worker: string,
  run: string,
  after: number | null,
  signal: AbortSignal,
): Promise<LocalRunEvent[]> {
  const which = after === null ? "tail=1000" : `after=${after}`;
  const path = `${workerPath(worker)}/runs/${encodeURIComponent(run)}/events?${which}`;
  return (await client.get<LocalRunEvents>(path, { signal })).items ?? [];
}

/** What the daemon was started with; it does not change while it runs. */
export const configQuery = queryOptions({
  queryKey: ["config"],
  queryFn: ({ signal }) => client.get<HostConfig>("/api/config", { signal }),
});
