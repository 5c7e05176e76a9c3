import { QueryClient } from "@tanstack/react-query";
import { ApiClient, ApiError } from "../api/client.ts";
import { sessionToken } from "../api/token.ts";
import type { RunChanges, RunDetail, StreamEvent } from "../api/types.ts";
import { Link } from "../live/link.ts";
import { eventStream, httpProbe } from "../live/transports.ts";
import { affectedKeys, Coalescer, type Key } from "./affected.ts";
import { ChangedTasks, type ChangesAsked, changesOf, mergeRun } from "./live-run.ts";

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
  for (const key of keys) {
    // To ask again while an answer is on its way would throw that answer away.
    if (key.length > 0 && queries.isFetching({ queryKey: key }) > 0) changes.add([key]);
    else if (key[0] !== "run" || key[1] === undefined || !freshenRun(key[1])) freshen(key);
  }
}, 250);

/** Fetches what is shown of it anew, whole; what was long in coming rests before. */
function freshen(key: Key): void {
  if (resting(key)) {
    changes.add([key]);
    return;
  }
  if (key[0] === "run" && key[1] !== undefined) changedTasks.forget(key[1]);
  void queries.invalidateQueries({ queryKey: key });
}

const changedTasks = new ChangedTasks();

/**
 * A run that is on the screen hears only what changed in it: its tasks may be ten thousand. False: it has to be read
 * whole, which may have to wait for longer.
 */
function freshenRun(id: string): boolean {
  const key = ["run", id];
  const old = queries.getQueryData<RunDetail>(key);
  const asks = old && changesOf(old, changedTasks.of(id));
  if (!asks || !queries.getQueryCache().find({ queryKey: key })?.isActive()) return false;
  if (resting(changesKey(id))) changes.add([key]);
  else void mergeChanges(id, asks);
  return true;
}

async function mergeChanges(id: string, [first, ...more]: ChangesAsked): Promise<void> {
  const key = ["run", id];
  changedTasks.forget(id);
  restUntil.set(JSON.stringify(changesKey(id)), Number.POSITIVE_INFINITY); // what comes meanwhile waits
  let merged: RunDetail | null = null;
  try {
    const ask = (query: URLSearchParams): Promise<RunChanges> => client.get(`/api/runs/${seg(id)}/changes?${query}`);
    const news: [RunChanges, ...RunChanges[]] = await Promise.all([ask(first), ...more.map(ask)]);
    const old = queries.getQueryData<RunDetail>(key);
    // An answer that was asked for before this one would bring the old state back.
    if (old && queries.isFetching({ queryKey: key }) === 0) merged = mergeRun(old, ...news);
  } catch {
    // The whole run says what is wrong, where it is shown.
  }
  // To draw many tasks anew takes a while: that is done less often.
  const tasks = queries.getQueryData<RunDetail>(key)?.tasks?.length ?? 0;
  restUntil.set(JSON.stringify(changesKey(id)), Date.now() + Math.min(1_000, tasks / 10));
  if (merged) queries.setQueryData(key, merged);
  else {
    changedTasks.lose(id);
    freshen(key);
  }
}

const changesKey = (id: string): Key => ["run", id, "changes"];

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
