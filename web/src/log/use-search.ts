import { useEffect, useRef, useState } from "react";
import type { LogFilter, LogQuery, LogSource } from "./source.ts";

/** A search through the whole log, on the server: how many lines fit, and which of them is looked at. */
export interface LogSearch {
  /** null: not known yet, or nothing is searched for. */
  total: number | null;
  atLeast: boolean;
  /** The number of the line that is looked at, the oldest being 1; null: none, or it is not known. */
  nth: number | null;
  busy: boolean;
  error: unknown;
  /** There is none further on in the direction of the last step. */
  ended: "older" | "newer" | null;
  /** Looks for the next one from where the last was found; the newest one first. */
  step: (to: "older" | "newer") => void;
}

interface State {
  total: number | null;
  atLeast: boolean;
  /** How many fitting lines are before the one that is looked at, or behind it, as far as that is known. */
  place: { before: number } | { behind: number } | null;
  busy: boolean;
  error: unknown;
  ended: "older" | "newer" | null;
}

const idle: State = { total: null, atLeast: false, place: null, busy: false, error: null, ended: null };

/** onFound moves the view to a line that was found. */
export function useSearch(source: LogSource, wanted: LogFilter, onFound: (pos: number) => void): LogSearch {
  const [state, setState] = useState<State>(idle);
  const at = useRef<number | null>(null);
  const abort = useRef(new AbortController());

  // biome-ignore lint/correctness/useExhaustiveDependencies: another search forgets what the last one found
  useEffect(() => {
    at.current = null;
    setState(idle);
    abort.current = new AbortController();
    return () => abort.current.abort();
  }, [source, wanted]);

  // To go to a line must not wait for the others to be counted.
  const count = async (signal: AbortSignal) => {
    const page = await source.page({ limit: 1, after: -1, count: true, ...wanted }, signal);
    if (!signal.aborted) setState((s) => ({ ...s, total: page.count, atLeast: page.countPartial }));
  };

  const find = async (to: "older" | "newer", signal: AbortSignal) => {
    const first = at.current === null;
    let from: number | null = at.current ?? (to === "older" ? null : -1);
    for (;;) {
      const where: Partial<LogQuery> = from === null ? {} : to === "older" ? { before: from } : { after: from };
      const page = await source.page({ limit: 1, ...where, ...wanted }, signal);
      if (signal.aborted) return;
      const hit = to === "older" ? page.lines.at(-1) : page.lines[0];
      if (hit) {
        at.current = hit.pos;
        setState((s) => ({ ...s, busy: false, place: first ? edge(to) : moved(s.place, to) }));
        onFound(hit.pos);
        return;
      }
      if (page.next === null) {
        setState((s) => ({ ...s, busy: false, ended: to, ...(first ? { total: 0, atLeast: false } : {}) }));
        return;
      }
      from = page.next; // it took too long; go on from there
    }
  };

  const step = (to: "older" | "newer") => {
    if (!wanted.find || state.busy) return;
    const { signal } = abort.current;
    setState((s) => ({ ...s, busy: true, error: null, ended: null }));
    const failed = (error: unknown) => {
      if (!signal.aborted) setState((s) => ({ ...s, busy: false, error }));
    };
    find(to, signal).catch(failed);
    if (state.total === null) count(signal).catch(failed);
  };
  const { total, place } = state;
  // What was found is there, even where the count did not get as far.
  return { ...state, total: total === null ? null : Math.max(total, seen(place)), nth: nth(state), step };
}

/** How many fitting lines were come by. */
function seen(place: State["place"]): number {
  if (place === null) return 0;
  return ("before" in place ? place.before : place.behind) + 1;
}

const edge = (to: "older" | "newer"): State["place"] => (to === "older" ? { behind: 0 } : { before: 0 });

function moved(place: State["place"], to: "older" | "newer"): State["place"] {
  if (place === null) return null;
  const by = to === "newer" ? 1 : -1;
  return "before" in place ? { before: place.before + by } : { behind: place.behind - by };
}

function nth({ place, total, atLeast }: State): number | null {
  if (place === null) return null;
  if ("before" in place) return place.before + 1;
  return total === null || atLeast ? null : total - place.behind;
}
