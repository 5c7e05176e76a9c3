import { QueryClient } from "@tanstack/react-query";
import { ApiClient } from "../api/client.ts";
import { sessionToken } from "../api/token.ts";
import type { FusedWorker, LocalFrame, LogLine } from "../api/types.ts";
import { Link } from "../live/link.ts";
import { httpProbe, localSocket } from "../live/transports.ts";
import { heardEvent, heardOperation, heardSample } from "./heard.ts";
import { recordUsage } from "./usage.ts";

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
    if (frame.reset) reloadLogs();
    switch (frame.kind) {
      case "status":
        recordUsage(frame.items ?? []);
        queries.setQueryData<FusedWorker[]>(["workers"], frame.items ?? []);
        break;
      case "operation":
        if (frame.operation) heardOperation(queries, frame.operation);
        break;
      case "event":
        if (frame.event) heardEvent(queries, frame.event);
        break;
      case "connectivity":
        if (frame.sample) heardSample(queries, frame.sample);
        break;
      case "log":
        if (frame.id !== undefined) hearLine(frame.id, frame);
    }
  },
  onResync(why) {
    void queries.invalidateQueries();
    if (why !== "poll") reloadLogs();
  },
});

function hearLine(id: string, frame: LocalFrame): void {
  const line: LogLine = {
    ts: frame.ts ?? Date.now(),
    stream: frame.stream ?? "out",
    line: frame.line ?? "",
    pos: frame.pos ?? -1,
  };
  for (const listener of logListeners.get(id) ?? []) listener({ line });
}

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
