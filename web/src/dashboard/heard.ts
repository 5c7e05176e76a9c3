import type { QueryClient } from "@tanstack/react-query";
import type { Connectivity, ConnectivitySample, HostEvent, Operation } from "../api/types.ts";

// Frames of the socket, put where the answers of the same things are kept. What nobody has asked for yet is not kept: the
// first question brings it.

const mostOperations = 200;
const mostEvents = 500;
const mostSamples = 2_000;

/** An operation as it is now: it takes the place of what was known of it. */
export function heardOperation(queries: QueryClient, op: Operation): void {
  queries.setQueryData<Operation[]>(["operations"], (list) => list && withOperation(list, op));
  if (op.kind === "upgrade-self") void queries.invalidateQueries({ queryKey: ["self"] });
  if (op.kind.startsWith("adopt")) void queries.invalidateQueries({ queryKey: ["adoptable"] });
}

function withOperation(list: Operation[], op: Operation): Operation[] {
  const at = list.findIndex((o) => o.id === op.id);
  return at < 0 ? [op, ...list].slice(0, mostOperations) : list.with(at, op);
}

/** A list that was asked for, but what was heard meanwhile and is newer stays: the answer may have been on its way for long. */
export function withHeard(answer: Operation[], known: Operation[] = []): Operation[] {
  const heard = new Map(known.map((op) => [op.id, op]));
  const list = answer.map((op) => {
    const other = heard.get(op.id);
    heard.delete(op.id);
    return other && changed(other) > changed(op) ? other : op;
  });
  const latest = answer.map(changed).reduce((a, b) => (a > b ? a : b), "");
  const begun = [...heard.values()].filter((op) => (op.startedAt ?? "") > latest);
  return [...begun, ...list].slice(0, mostOperations);
}

const changed = (op: Operation) => op.updatedAt ?? "";

/** An event, newest first; those about one worker have a list of their own. */
export function heardEvent(queries: QueryClient, event: HostEvent): void {
  const add = (list: HostEvent[] | undefined) =>
    list && (list.some((e) => e.seq === event.seq) ? list : [event, ...list].slice(0, mostEvents));
  queries.setQueryData<HostEvent[]>(["events", ""], add);
  if (!event.workerId) {
    // The daemon, a link or the host itself changed.
    void queries.invalidateQueries({ queryKey: ["self"] });
    return;
  }
  queries.setQueryData<HostEvent[]>(["events", event.workerId], add);
  void queries.invalidateQueries({ queryKey: ["worker", event.workerId] });
}

/** One more look at the network. */
export function heardSample(queries: QueryClient, sample: ConnectivitySample): void {
  queries.setQueryData<Connectivity>(["connectivity"], (known) => {
    if (!known) return known;
    const history = (known.history ?? []).filter((s) => s.ts < sample.ts);
    return { current: sample, history: [...history, sample].slice(-mostSamples) };
  });
}
