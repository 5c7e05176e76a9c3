import { QueryClient } from "@tanstack/react-query";
import { ApiClient } from "../api/client.ts";
import { sessionToken } from "../api/token.ts";
import type { ActionResult, FusedWorker, FusedWorkers, LocalFrame, LogLine, SelfStatus } from "../api/types.ts";
import { Link } from "../live/link.ts";
import { httpProbe, localSocket } from "../live/transports.ts";

/** What a log reader hears: one more line, or that lines may be missing and the file is to be read again. */
export type LogSignal = { line: LogLine } | { reload: true };

/** The page's one connection to the daemon: HTTP for questions and verbs, one socket for everything that changes. */
export const token = sessionToken("pipedai_oct");

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: false, // the link notices a lost daemon and fetches again when it is back
      networkMode: "always", // loopback works without a network
    },
    mutations: { networkMode: "always", retry: false },
  },
});

export const client = new ApiClient({ token, onUnauthorized: () => link.stop("unauthorized") });

const logListeners = new Map<string, Set<(signal: LogSignal) => void>>();

export const link: Link<LocalFrame> = new Link<LocalFrame>({
  transport: localSocket(token, "/api/events"),
  probe: httpProbe(client, "/api/self"),
  seq: (frame) => frame.seq,
  isSnapshot: (frame, first) => frame.reset === true || (first && frame.kind === "status"),
  onFrame(frame) {
    if (frame.kind === "status") queries.setQueryData<FusedWorker[]>(["workers"], frame.items ?? []);
    if (frame.reset) reloadLogs();
    if (frame.kind === "log" && frame.id !== undefined) {
      const line: LogLine = {
        ts: frame.ts ?? Date.now(),
        stream: frame.stream ?? "out",
        line: frame.line ?? "",
        pos: frame.pos ?? -1,
      };
      for (const listener of logListeners.get(frame.id) ?? []) listener({ line });
    }
  },
  onResync(why) {
    void queries.invalidateQueries();
    if (why !== "poll") reloadLogs();
  },
});

function reloadLogs(): void {
  for (const listeners of logListeners.values()) for (const listener of listeners) listener({ reload: true });
}

/** Hears the live log lines of a worker until the returned function is called. */
export function listenLog(id: string, listener: (signal: LogSignal) => void): () => void {
  const listeners = logListeners.get(id) ?? new Set();
  logListeners.set(id, listeners);
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const at = (id: string) => `/api/workers/${encodeURIComponent(id)}`;

export const workersQuery = {
  queryKey: ["workers"],
  queryFn: async ({ signal }: { signal: AbortSignal }) =>
    (await client.get<FusedWorkers>("/api/workers", { signal })).items ?? [],
};

export const selfQuery = {
  queryKey: ["self"],
  queryFn: ({ signal }: { signal: AbortSignal }) => client.get<SelfStatus>("/api/self", { signal }),
  refetchInterval: 10_000,
};

export type Verb = "start" | "stop" | "enable" | "disable" | "delete";

// The daemon asks the control plane and waits for a process to end, each with a limit of its own that is shorter.
const actLimitMs = 150_000;

/** Has the daemon do something with a worker. A stop whose worker still drains answers before it has ended. */
export async function act(id: string, verb: Verb): Promise<ActionResult> {
  const limit = { timeoutMs: actLimitMs };
  try {
    return verb === "delete"
      ? await client.delete<ActionResult>(at(id), limit)
      : await client.post<ActionResult>(`${at(id)}/${verb}`, {}, limit);
  } finally {
    await queries.invalidateQueries({ queryKey: ["workers"] }).catch(() => undefined);
  }
}
