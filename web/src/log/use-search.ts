import { useEffect, useRef, useState } from "react";
import type { LogQuery, LogSource } from "./source.ts";

/** A search through the whole log, on the server: how many lines fit, and which of them is looked at. */
export interface LogSearch {
  /** null: not known yet, or nothing is searched for. */
  total: number | null;
  atLeast: boolean;
  /** The number of the line that is looked at, the oldest being 1; null: none, or it was reached from the middle. */
  nth: number | null;
  busy: boolean;
  error: unknown;
  /** There is none further on in the direction of the last step. */
  ended: "older" | "newer" | null;
  /** Looks for the next one from where the last was found; the newest one first. */
  step: (to: "older" | "newer") => void;
}

type Wanted = Pick<LogQuery, "find" | "regex" | "mark">;

/** onFound moves the view to a line that was found. */
export function useSearch(source: LogSource, wanted: Wanted, onFound: (pos: number) => void): LogSearch {
  const { find, regex, mark } = wanted;
  const [state, setState] = useState<Omit<LogSearch, "step">>(idle);
  const at = useRef<number | null>(null);
  const abort = useRef(new AbortController());
  const base = { ...(find ? { find } : {}), ...(regex ? { regex } : {}), ...(mark ? { mark } : {}) };

  // biome-ignore lint/correctness/useExhaustiveDependencies: another search forgets what the last one found
  useEffect(() => {
    at.current = null;
    setState(idle);
    abort.current = new AbortController();
    return () => abort.current.abort();
  }, [source, find, regex, mark]);

  const step = async (to: "older" | "newer") => {
    if (!find || state.busy) return;
    const { signal } = abort.current;
    setState((s) => ({ ...s, busy: true, error: null, ended: null }));
    try {
      let from = at.current;
      let { total, atLeast } = state;
      for (;;) {
        const where =
          from === null ? (to === "older" ? {} : { after: -1 }) : to === "older" ? { before: from } : { after: from };
        const page = await source.page(
          { limit: 1, ...base, ...where, ...(total === null ? { count: true } : {}) },
          signal,
        );
        if (signal.aborted) return;
        if (page.count !== null) [total, atLeast] = [page.count, page.countPartial];
        const hit = to === "older" ? page.lines.at(-1) : page.lines[0];
        if (hit) {
          const first = at.current === null;
          at.current = hit.pos;
          setState((s) => ({
            ...s,
            busy: false,
            total,
            atLeast,
            nth: first
              ? to === "newer"
                ? 1
                : atLeast
                  ? null
                  : total
              : s.nth === null
                ? null
                : s.nth + (to === "newer" ? 1 : -1),
          }));
          onFound(hit.pos);
          return;
        }
        if (page.reached === null) {
          setState((s) => ({ ...s, busy: false, total, atLeast, ended: to }));
          return;
        }
        from = page.reached; // it took too long; go on from there
      }
    } catch (error) {
      if (!signal.aborted) setState((s) => ({ ...s, busy: false, error }));
    }
  };
  return { ...state, step: (to) => void step(to) };
}

const idle: Omit<LogSearch, "step"> = {
  total: null,
  atLeast: false,
  nth: null,
  busy: false,
  error: null,
  ended: null,
};
