import { QueryClient } from "@tanstack/react-query";
import { ApiClient, ApiError } from "../api/client.ts";
import { sessionToken } from "../api/token.ts";
import type { RunChanges, RunDetail, StreamEvent } from "../api/types.ts";
import { Link } from "../live/link.ts";
import { eventStream, httpProbe } from "../live/transports.ts";
import { affectedKeys, Coalescer, type Key } from "./affected.ts";
import { ChangedTasks, mergeRun } from "./live-run.ts";

/** The page's one connection to the control plane. */
export const token = sessionToken("pipeweave_token");

// Who waited for the whole of the time limit is told; to wait for it twice more would look as if nothing happened.
const retry = (failures: number, cause: unknown) =>
  failures < 2 && cause instanceof ApiError && cause.code !== "timeout" && (cause.unreachable || cause.status >= 500);

export const queries = new QueryClient({
  defaultOptions: {
    queries: { staleTime: 2_000, retry, networkMode: "always" },
    mutations: { retry: false, networkMode: "always" },
  },
});

export const client = new ApiClient({ token, onUnauthorized: () => link.stop("unauthorized") });

/** An event says what changed, not how; what is shown of it is fetched again, at most four times a second. */
const changes = new Coalescer((keys) => {
  for (const queryKey of keys) {
    // To ask again while an answer is on its way would throw that answer away; and one that was long in coming rests.
    if (queryKey.length > 0 && (queries.isFetching({ queryKey }) > 0 || resting(queryKey))) changes.add([queryKey]);
    else if (queryKey[0] === "run" && queryKey[1] !== undefined) void freshenRun(queryKey[1]);
    else void queries.invalidateQueries({ queryKey });
  }
}, 250);

const changedTasks = new ChangedTasks();

/** A run that is on the screen hears only what changed in it: its tasks may be ten thousand. */
async function freshenRun(id: string): Promise<void> {
  const queryKey = ["run", id];
  const old = queries.getQueryData<RunDetail>(queryKey);
  const named = changedTasks.take(id);
  const whole = () => queries.invalidateQueries({ queryKey });
  if (!old?.tasks || named === null || !queries.getQueryCache().find({ queryKey })?.isActive()) return whole();
  restUntil.set(JSON.stringify(queryKey), Number.POSITIVE_INFINITY); // what comes meanwhile waits
  try {
    const query = new URLSearchParams({ ids: named.join(), after: old.tasks.at(-1)?.id ?? "" });
    const news = await client.get<RunChanges>(`/api/runs/${encodeURIComponent(id)}/changes?${query}`);
    const now = queries.getQueryData<RunDetail>(queryKey);
    // An answer that was asked for before this one would bring the old state back.
    const merged = queries.isFetching({ queryKey }) === 0 && now ? mergeRun(now, news) : null;
    // To draw many tasks anew takes a while: that is done less often.
    restUntil.set(JSON.stringify(queryKey), Date.now() + Math.min(1_000, old.tasks.length / 10));
    if (merged) queries.setQueryData(queryKey, merged);
    else await whole();
  } catch {
    restUntil.delete(JSON.stringify(queryKey));
    await whole(); // it says what is wrong, where it is shown
  }
}

const restUntil = new Map<string, number>();
const resting = (key: Key) => (restUntil.get(JSON.stringify(key)) ?? 0) > Date.now();

/** Asks for something that may be large: events that follow wait for ten times as long as the answer took. */
export async function paced<T>(key: Key, ask: () => Promise<T>): Promise<T> {
  const begun = Date.now();
  try {
    return await ask();
  } finally {
    restUntil.set(JSON.stringify(key), Date.now() + 10 * (Date.now() - begun));
  }
}

export const link: Link<StreamEvent> = new Link<StreamEvent>({
  transport: eventStream(client, "/api/stream"),
  probe: httpProbe(client, "/api/v1/session"),
  seq: (event) => event.seq,
  isSnapshot: (event) => event.type === "resync",
  onFrame: (event) => {
    changedTasks.note(event);
    changes.add(affectedKeys(event));
  },
  onResync: () => changes.add([[]]),
});

/** Forgets the token and everything that it showed. */
export function signOut(): void {
  link.stop("stopped");
  token.clear();
  queries.clear();
  window.location.assign("/");
}

/** Something was changed from here: what hangs on it is fetched again, without waiting for the event of it. */
export function changed(...keys: Key[]): void {
  changes.add(keys);
}

/** What a query function is given. */
export interface Ask {
  signal: AbortSignal;
}

/** One segment of a path. */
export const seg = encodeURIComponent;
