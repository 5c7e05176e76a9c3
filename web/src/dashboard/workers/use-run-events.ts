import { useEffect, useState } from "react";
import type { LocalRunEvent } from "../../api/types.ts";
import { runEvents } from "../queries.ts";

const everyMs = 1_500;
const most = 5_000;

interface RunTail {
  events: LocalRunEvent[] | null;
  /** Earlier ones were left out to keep the page light. */
  cut: boolean;
  error: unknown;
}

const empty: RunTail = { events: null, cut: false, error: null };

/** The events of a run, and those that come: nothing announces them, so what was appended is asked for again and again. */
export function useRunEvents(worker: string, run: string): RunTail {
  const [tail, setTail] = useState(empty);
  useEffect(() => {
    setTail(empty);
    const abort = new AbortController();
    let last: number | null = null;
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      // What nobody looks at can wait.
      if (last === null || !document.hidden) {
        try {
          const more = await runEvents(worker, run, last, abort.signal);
          last = more.at(-1)?.seq ?? last;
          setTail((t) => {
            if (t.events !== null && more.length === 0 && t.error === null) return t;
            const all = [...(t.events ?? []), ...more];
            return { events: all.slice(-most), cut: t.cut || all.length > most, error: null };
          });
        } catch (error) {
          if (!abort.signal.aborted) setTail((t) => ({ ...t, error }));
        }
      }
      if (!abort.signal.aborted) timer = setTimeout(ask, everyMs);
    };
    void ask();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [worker, run]);
  return tail;
}
