import { useCallback, useEffect, useRef, useState } from "react";
import type { Line, LogPage, LogQuery, LogSource } from "./source.ts";
import { addLive, addNewer, addOlder, around, fromEnd, type LogWindow, nothing } from "./window.ts";

const pageSize = 1_000;

/** What of a log is shown: which lines, and from where on. */
export interface LogView {
  /** Only lines that fit. */
  only: Pick<LogQuery, "find" | "regex" | "mark">;
  /** Where to begin; null: at the end. */
  from: number | null;
}

export interface Log extends LogWindow {
  loading: "first" | "older" | "newer" | null;
  error: unknown;
  /** Lines were written that the window does not reach. */
  behind: boolean;
  loadOlder: () => void;
  loadNewer: () => void;
  /** Shows the end. */
  toEnd: () => void;
  /** Shows what is around a position. */
  to: (pos: number) => void;
  /** Counts up at each jump, so that a view knows when to move. */
  jumps: number;
  /** Where the last jump went; null: to the end. */
  target: number | null;
  retry: () => void;
}

interface State {
  window: LogWindow;
  loading: Log["loading"];
  error: unknown;
  behind: boolean;
}

/** The lines of a log around one place, more at either end as they are asked for, and live ones as they come. */
export function useLog(source: LogSource, view: LogView): Log {
  const { find, regex, mark } = view.only;
  const [place, setPlace] = useState({ target: view.from, jumps: 0 });
  const [state, setState] = useState<State>({ window: nothing, loading: "first", error: null, behind: false });
  const abort = useRef(new AbortController());
  const busy = useRef(false);

  const ask = useCallback(
    (query: Omit<LogQuery, "limit">): Promise<LogPage> =>
      source.page(
        {
          limit: pageSize,
          ...query,
          ...(find ? { find } : {}),
          ...(regex ? { regex } : {}),
          ...(mark ? { mark } : {}),
        },
        abort.current.signal,
      ),
    [source, find, regex, mark],
  );

  // The first lines, at a new source, filter or place; and what comes live while they load and afterwards.
  useEffect(() => {
    abort.current = new AbortController();
    const { signal } = abort.current;
    let early: Line[] | null = [];
    let waiting: Line[] = [];
    let frame = 0;
    busy.current = true;
    setState((s) => ({ ...s, loading: "first", error: null, behind: false }));
    const flush = () => {
      frame = 0;
      const lines = waiting;
      waiting = [];
      setState((s) => {
        const window = addLive(s.window, lines);
        return window === s.window ? { ...s, behind: s.window.newer } : { ...s, window };
      });
    };
    const fits = liveFilter({ find, regex, mark });
    const stop = source.listen?.((heard) => {
      if ("reload" in heard) {
        if (early === null) setPlace((p) => ({ ...p, jumps: p.jumps + 1 }));
        return;
      }
      if (!fits(heard.line)) return;
      if (early) {
        early.push(heard.line);
        return;
      }
      waiting.push(heard.line);
      // A program can write faster than a screen can show; once per picture is enough.
      if (frame === 0) frame = requestAnimationFrame(flush);
    });
    const first = async () => {
      if (place.target === null) return fromEnd(await ask({}));
      const [before, after] = await Promise.all([ask({ before: place.target }), ask({ after: place.target - 1 })]);
      return around(before, after);
    };
    first().then(
      (window) => {
        if (signal.aborted) return;
        busy.current = false;
        const seen = early ?? [];
        early = null;
        setState({ window: addLive(window, seen), loading: null, error: null, behind: false });
      },
      (error: unknown) => {
        if (signal.aborted) return;
        busy.current = false;
        early = null;
        setState((s) => ({ ...s, loading: null, error }));
      },
    );
    return () => {
      abort.current.abort();
      cancelAnimationFrame(frame);
      stop?.();
    };
  }, [source, ask, find, regex, mark, place]);

  const more = useCallback(
    (which: "older" | "newer") => {
      setState((s) => {
        const edge = which === "older" ? s.window.lines[0] : s.window.lines.at(-1);
        if (busy.current || !s.window[which] || !edge) return s;
        busy.current = true;
        const { signal } = abort.current;
        ask(which === "older" ? { before: edge.pos } : { after: edge.pos }).then(
          (page) => {
            if (signal.aborted) return;
            busy.current = false;
            const add = which === "older" ? addOlder : addNewer;
            setState((now) => ({ ...now, window: add(now.window, page), loading: null, error: null }));
          },
          (error: unknown) => {
            if (signal.aborted) return;
            busy.current = false;
            setState((now) => ({ ...now, loading: null, error }));
          },
        );
        return { ...s, loading: which };
      });
    },
    [ask],
  );
  const to = useCallback((target: number | null) => setPlace((p) => ({ target, jumps: p.jumps + 1 })), []);

  return {
    ...state.window,
    loading: state.loading,
    error: state.error,
    behind: state.behind,
    loadOlder: useCallback(() => more("older"), [more]),
    loadNewer: useCallback(() => more("newer"), [more]),
    toEnd: useCallback(() => to(null), [to]),
    to,
    jumps: place.jumps,
    target: place.target,
    retry: useCallback(() => setPlace((p) => ({ ...p, jumps: p.jumps + 1 })), []),
  };
}

/** What the server filters of what is stored, for what comes live. */
function liveFilter({ find, regex, mark }: LogView["only"]): (line: Line) => boolean {
  let matches = (text: string) => find === undefined || text.includes(find);
  if (find !== undefined && regex) {
    try {
      const pattern = new RegExp(find, "u");
      matches = (text) => pattern.test(text);
    } catch {
      matches = () => true; // the server's kind of expressions is not quite this one's; a line too many is no harm
    }
  }
  return (line) => matches(line.text) && (mark === undefined || line.mark === mark);
}
