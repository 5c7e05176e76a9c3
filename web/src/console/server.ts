import { keepPreviousData, QueryClient, queryOptions } from "@tanstack/react-query";
import { ApiClient, ApiError } from "../api/client.ts";
import { sessionToken } from "../api/token.ts";
import type {
  Enrollment,
  Enrollments,
  PipelineDetail,
  Pipelines,
  QueueStatus,
  RemoteWorker,
  RemoteWorkers,
  RunDetail,
  Runs,
  ServiceDetail,
  Services,
  Session,
  StreamEvent,
  TriggerResponse,
} from "../api/types.ts";
import { Link } from "../live/link.ts";
import { eventStream, httpProbe } from "../live/transports.ts";
import { affectedKeys, Coalescer } from "./affected.ts";

/** The page's one connection to the control plane. */
export const token = sessionToken("pipeweave_token");

const retry = (failures: number, cause: unknown) =>
  failures < 2 && cause instanceof ApiError && (cause.unreachable || cause.status >= 500);

export const queries = new QueryClient({
  defaultOptions: {
    queries: { staleTime: 2_000, retry, networkMode: "always" },
    mutations: { retry: false, networkMode: "always" },
  },
});

export const client = new ApiClient({ token, onUnauthorized: () => link.stop("unauthorized") });

/** An event says what changed, not how; what is shown of it is fetched again, at most four times a second. */
const changes = new Coalescer((keys) => {
  for (const queryKey of keys) void queries.invalidateQueries({ queryKey });
}, 250);

export const link: Link<StreamEvent> = new Link<StreamEvent>({
  transport: eventStream(client, "/api/stream"),
  probe: httpProbe(client, "/api/v1/session"),
  seq: (event) => event.seq,
  isSnapshot: (event) => event.type === "resync",
  onFrame: (event) => changes.add(affectedKeys(event)),
  onResync: () => changes.add([[]]),
});

/** Forgets the token and everything that it showed. */
export function signOut(): void {
  link.stop("stopped");
  token.clear();
  queries.clear();
  window.location.assign("/");
}

interface Ask {
  signal: AbortSignal;
}
const seg = encodeURIComponent;

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: ({ signal }: Ask) => client.get<Session>("/api/v1/session", { signal }),
  refetchInterval: 60_000,
});

export const queueQuery = queryOptions({
  queryKey: ["queue"],
  queryFn: ({ signal }: Ask) => client.get<QueueStatus>("/api/queue/status", { signal }),
});

export const pipelinesQuery = queryOptions({
  queryKey: ["pipelines"],
  queryFn: async ({ signal }: Ask) => (await client.get<Pipelines>("/api/pipelines", { signal })).pipelines ?? [],
});

export const pipelineQuery = (id: string) =>
  queryOptions({
    queryKey: ["pipeline", id],
    queryFn: async ({ signal }: Ask) =>
      (await client.get<PipelineDetail>(`/api/pipelines/${seg(id)}`, { signal })).pipeline,
  });

export interface RunFilter {
  pipelineId?: string | undefined;
  status?: string | undefined;
  /** Created in the last so many hours. */
  hours?: number | undefined;
  limit: number;
  offset?: number;
}

export const runsQuery = (filter: RunFilter) =>
  queryOptions({
    queryKey: ["runs", filter],
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }: Ask) => {
      const query = new URLSearchParams({ limit: String(filter.limit), offset: String(filter.offset ?? 0) });
      if (filter.pipelineId) query.set("pipelineId", filter.pipelineId);
      if (filter.status) query.set("status", filter.status);
      if (filter.hours) query.set("from", new Date(Date.now() - filter.hours * 3_600_000).toISOString());
      const answer = await client.get<Runs>(`/api/runs?${query}`, { signal });
      return { ...answer, runs: answer.runs ?? [] };
    },
  });

export const ended = (status: string) => !["pending", "running"].includes(status);

export const runQuery = (id: string) =>
  queryOptions({
    queryKey: ["run", id],
    queryFn: ({ signal }: Ask) => client.get<RunDetail>(`/api/runs/${seg(id)}`, { signal }),
    // The stream says when something changed; this is only the net under it.
    refetchInterval: (query) => (query.state.data && ended(query.state.data.status) ? false : 5_000),
  });

export const servicesQuery = queryOptions({
  queryKey: ["services"],
  queryFn: async ({ signal }: Ask) => (await client.get<Services>("/api/services", { signal })).services ?? [],
});

export const serviceQuery = (id: string) =>
  queryOptions({
    queryKey: ["service", id],
    queryFn: ({ signal }: Ask) => client.get<ServiceDetail>(`/api/services/${seg(id)}`, { signal }),
  });

export const workersQuery = (workspace: string) =>
  queryOptions({
    queryKey: ["workers", workspace],
    enabled: workspace !== "",
    queryFn: async ({ signal }: Ask) => {
      const items: RemoteWorker[] = [];
      for (let cursor: string | null = ""; cursor !== null; ) {
        const path: string = `/api/v1/workspaces/${seg(workspace)}/workers${cursor ? `?cursor=${seg(cursor)}` : ""}`;
        const page: RemoteWorkers = await client.get(path, { signal });
        items.push(...(page.items ?? []));
        cursor = page.nextCursor && page.nextCursor !== cursor ? page.nextCursor : null;
      }
      return items;
    },
    refetchInterval: 30_000,
  });

/** Hosts that wait for somebody's word. Codes that were issued beforehand wait for nobody. */
export const pendingQuery = queryOptions({
  queryKey: ["enrollments", "pending"],
  queryFn: async ({ signal }: Ask) => {
    const answer = await client.get<Enrollments>("/api/v1/enrollments?status=pending", { signal });
    return (answer.items ?? []).filter((e) => e.kind === "device" && e.status === "pending");
  },
  refetchInterval: 30_000,
});

export const lookupQuery = (code: string) =>
  queryOptions({
    queryKey: ["enrollment", code],
    queryFn: ({ signal }: Ask) => client.get<Enrollment>(`/api/v1/enrollments/lookup?code=${seg(code)}`, { signal }),
    retry: false,
  });

export async function decide(id: string, verb: "approve" | "deny"): Promise<Enrollment> {
  try {
    return await client.post<Enrollment>(`/api/v1/enrollments/${seg(id)}/${verb}`);
  } finally {
    changes.add([["enrollments"], ["workers"]]);
  }
}

export async function setWorkerEnabled(workspace: string, id: string, on: boolean): Promise<void> {
  await client.post(`/api/v1/workspaces/${seg(workspace)}/workers/${seg(id)}/${on ? "enable" : "disable"}`);
  await queries.invalidateQueries({ queryKey: ["workers"] });
}

export async function trigger(pipeline: string, input: unknown): Promise<TriggerResponse> {
  const answer = await client.post<TriggerResponse>(`/api/pipelines/${seg(pipeline)}/trigger`, { input });
  changes.add([["runs"], ["queue"]]);
  return answer;
}

export async function cancelRun(id: string): Promise<void> {
  await client.post(`/api/runs/${seg(id)}/cancel`);
  changes.add([["run", id], ["runs"], ["queue"]]);
}

/** Where the bytes of a stored object are. */
export const objectURL = (path: string) => `/api/storage/${path.split("/").map(seg).join("/")}?raw=1`;

const showLimit = 512_000;

/** A stored object as text, or the beginning of a large one. */
export const objectQuery = (path: string) =>
  queryOptions({
    queryKey: ["object", path],
    staleTime: Number.POSITIVE_INFINITY, // objects are written once
    gcTime: 60_000,
    queryFn: ({ signal }: Ask) => client.text(objectURL(path), showLimit, signal),
  });
