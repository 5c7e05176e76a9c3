import { useCallback, useEffect, useRef, useState } from "react";
import type { LogLine } from "../api/types.ts";
import { plainText } from "../lib/format.ts";
import { joinLines } from "../lib/log-buffer.ts";
import { listenLog, logTail } from "./daemon.ts";

/** A line with a number that it keeps while it is shown. */
export interface ShownLine extends LogLine {
  n: number;
}

const keep = 5_000;

export interface Log {
  lines: ShownLine[];
  loading: boolean;
  error: unknown;
  /** Lines that are no longer held here. They are in the file on the host. */
  dropped: number;
  reload: () => void;
}

/** The end of a worker's log, and every line after it as it comes. */
export function useLog(id: string): Log {
  const [state, setState] = useState<Omit<Log, "reload">>({ lines: [], loading: true, error: null, dropped: 0 });
  const [round, setRound] = useState(0);
  const serial = useRef(0);
  const reload = useCallback(() => setRound((n) => n + 1), []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new round reads the file again
  useEffect(() => {
    const abort = new AbortController();
    let live: LogLine[] = []; // what came since the last flush; before the file is read, everything
    let loaded = false;
    let frame = 0;
    const number = (line: LogLine): ShownLine => ({ ...line, line: plainText(line.line), n: ++serial.current });

    const flush = () => {
      frame = 0;
      const more = live.map(number);
      live = [];
      setState((s) => {
        const lines = [...s.lines, ...more];
        const over = Math.max(0, lines.length - keep);
        return { ...s, lines: over > 0 ? lines.slice(over) : lines, dropped: s.dropped + over };
      });
    };
    const stop = listenLog(id, (signal) => {
      if ("reload" in signal) {
        if (loaded) reload();
        return;
      }
      live.push(signal.line);
      // A worker can write faster than a screen can show; once per picture is enough.
      if (loaded && frame === 0) frame = requestAnimationFrame(flush);
    });
    logTail(id, abort.signal).then(
      (tail) => {
        const lines = joinLines(tail, live).map(number);
        live = [];
        loaded = true;
        setState({ lines, loading: false, error: null, dropped: 0 });
      },
      (error: unknown) => {
        loaded = true;
        if (!abort.signal.aborted) setState((s) => ({ ...s, loading: false, error }));
      },
    );
    return () => {
      abort.abort();
      cancelAnimationFrame(frame);
      stop();
    };
  }, [id, round, reload]);

  return { ...state, reload };
}
