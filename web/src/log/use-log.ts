import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { LogReader, type LogState } from "./reader.ts";
import type { LogFilter, LogSource } from "./source.ts";

export type Log = LogState & Pick<LogReader, "to" | "follow" | "loadOlder" | "loadNewer" | "retry">;

/** The lines of a log that fit a filter, from a place on; null: at the end. Another filter stays at the place. */
export function useLog(source: LogSource, only: LogFilter, from: number | null): Log {
  const [reader, setReader] = useState(() => new LogReader(source, only, from));
  const made = useRef({ source, only });
  useEffect(() => {
    if (made.current.source === source && made.current.only === only) return;
    made.current = { source, only };
    setReader((last) => new LogReader(source, only, last.getState().target));
  }, [source, only]);
  useEffect(() => {
    reader.start();
    return () => reader.stop();
  }, [reader]);
  const state = useSyncExternalStore(reader.subscribe, reader.getState);
  const { to, follow, loadOlder, loadNewer, retry } = reader;
  return { ...state, to, follow, loadOlder, loadNewer, retry };
}
