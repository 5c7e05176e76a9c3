import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { LogReader, type LogState } from "./reader.ts";
import type { LogFilter, LogSource } from "./source.ts";

export type Log = LogState & Pick<LogReader, "to" | "follow" | "loadOlder" | "loadNewer" | "retry">;

/** The lines of a log that fit a filter, from a place on; null: at the end. Another filter stays at the place. */
export function useLog(source: LogSource, only: LogFilter, from: number | null): Log {
  const [reader, setReader] = useState(() => new LogReader(source, only, from));
  const made = useRef({ source, only, reader });
  useEffect(() => {
    const last = made.current;
    if (last.source === source && last.only === only) return;
    const next = new LogReader(source, only, last.reader.getState().target);
    made.current = { source, only, reader: next };
    setReader(next);
  }, [source, only]);
  useEffect(() => {
    reader.start();
    return () => reader.stop();
  }, [reader]);
  // Whoever found a line with a search that took a while goes to it where it is shown by then.
  const to = useCallback((target: number | null) => made.current.reader.to(target), []);
  const state = useSyncExternalStore(reader.subscribe, reader.getState);
  const { follow, loadOlder, loadNewer, retry } = reader;
  return { ...state, to, follow, loadOlder, loadNewer, retry };
}
