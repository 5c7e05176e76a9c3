import { useEffect, useRef, useState } from "react";
import type { AuditLine } from "../../api/types.ts";
import { type AuditFilter, auditAfter } from "../queries/audit.ts";

const everyMs = 2_000;
/** More than this is not read while it runs past. */
const mostKept = 1_000;

/**
 * The lines that come after a line, newest first, while it is on. It asks by number, so that none is missed or doubled, and
 * rests while the tab is hidden.
 */
export function useFollow(filter: AuditFilter, on: boolean, from: number): { lines: AuditLine[]; error: unknown } {
  const [lines, setLines] = useState<AuditLine[]>([]);
  const [error, setError] = useState<unknown>(null);
  const key = JSON.stringify(filter);
  const last = useRef(from);
  useEffect(() => {
    setLines([]);
    setError(null);
    if (!on) return;
    const wanted = JSON.parse(key) as AuditFilter;
    last.current = from;
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      try {
        if (document.visibilityState === "visible") {
          const found = (await auditAfter(wanted, last.current, abort.signal)).items ?? [];
          last.current = found.at(-1)?.seq ?? last.current;
          if (found.length > 0) setLines((old) => [...found.reverse(), ...old].slice(0, mostKept));
        }
        setError(null);
      } catch (cause) {
        if (!abort.signal.aborted) setError(cause);
      }
      if (!abort.signal.aborted) timer = setTimeout(ask, everyMs);
    };
    void ask();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [key, on, from]);
  return { lines, error };
}
