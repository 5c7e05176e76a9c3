import { type ReactNode, useCallback, useEffect, useMemo, useState } from "react";
import { Failure, Loading } from "../ui/panel.tsx";
import { describe } from "../ui/toast.tsx";
import { timesPreference, wrapPreference } from "./choices.ts";
import { DownloadMenu } from "./download-menu.tsx";
import { LinesView } from "./lines-view.tsx";
import type { Picked } from "./picked.ts";
import { PickedBar } from "./picked-bar.tsx";
import { SearchStatus } from "./search-status.tsx";
import type { Line, LogFilter, LogSource } from "./source.ts";
import { finder } from "./text.ts";
import { type Choice, LogToolbar } from "./toolbar.tsx";
import { useLog } from "./use-log.ts";
import { useSearch } from "./use-search.ts";

interface Props {
  source: LogSource;
  /** What it is the log of: "Log of w1". */
  label: string;
  /** The marks that lines can be chosen by. */
  marks?: [Line["mark"], string][];
  picked: Picked | null;
  onPick: (picked: Picked | null) => void;
  /** The address of this view with what is picked, to copy. */
  link?: string;
  aside?: ReactNode;
  className?: string;
}

const nothingChosen: Choice = { typed: "", regex: false, exactCase: false, only: false, mark: undefined };

/**
 * A log of any length. It holds the part around where the reader looks and fetches more at its edges; the search runs over
 * all of it on the server. At its end it follows what is written.
 */
export function LogViewer({ source, label, marks = [], picked, onPick, link, aside, className = "" }: Props) {
  const [choice, setChoice] = useState(nothingChosen);
  const { typed, regex, exactCase, mark } = choice;
  const only = choice.only && typed !== "";
  const wrap = wrapPreference.use() === "wrap";
  const times = timesPreference.use() === "times";
  const find = useMemo(() => (typed === "" ? null : finder(typed, regex, !exactCase)), [typed, regex, exactCase]);
  const marked = useMemo((): LogFilter => (mark ? { mark } : {}), [mark]);
  const wanted = useMemo(
    (): LogFilter =>
      typed === "" ? marked : { ...marked, find: typed, ...(regex ? { regex } : {}), ignoreCase: !exactCase },
    [typed, regex, exactCase, marked],
  );
  const fitting = only ? wanted : marked;
  const filter = useSettled(fitting);
  const filtered = mark !== undefined || only;
  const [from] = useState(picked?.from ?? null);
  const log = useLog(source, filter, from);
  const { to } = log;
  const [follow, setFollow] = useState(picked === null);
  useEffect(() => log.follow(follow), [log.follow, follow]);
  const search = useSearch(source, wanted, (pos) => {
    onPick({ from: pos, to: pos });
    setFollow(false);
    to(pos);
  });

  const toStart = () => {
    setFollow(false);
    to(0);
  };
  const toEnd = () => {
    onPick(null);
    setFollow(true);
    if (log.newer !== null || log.target !== null) to(null);
  };
  const pick = useCallback(
    (pos: number, extend: boolean) => {
      if (extend && picked) onPick({ from: Math.min(picked.from, pos), to: Math.max(picked.to, pos) });
      else onPick(picked?.from === pos && picked.to === pos ? null : { from: pos, to: pos });
    },
    [picked, onPick],
  );

  useEffect(() => {
    if (document.querySelector("dialog[open]:not(:has([data-log]))")) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement) return;
      if (event.key === "End") toEnd();
      else if (event.key === "Home") toStart();
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  });

  const { lines } = log;
  return (
    <div data-log className={`flex min-h-0 flex-col ${className}`}>
      <LogToolbar
        label={label}
        choice={choice}
        onChoice={(change) => setChoice((c) => ({ ...c, ...change }))}
        bad={search.error !== null}
        busy={search.busy}
        step={search.step}
        marks={marks}
        follow={follow}
        toStart={toStart}
        toEnd={toEnd}
      >
        <DownloadMenu source={source} filter={filtered ? fitting : null} lines={lines} />
        {aside}
      </LogToolbar>
      <SearchStatus search={search} typed={typed} />
      {picked && lines.length > 0 && (
        <PickedBar source={source} window={log} picked={picked} link={link} onClear={() => onPick(null)} />
      )}
      <div className="relative min-h-0 flex-1 bg-bg">
        {log.loading === "first" && lines.length === 0 ? (
          <Loading lines={6} />
        ) : log.error && lines.length === 0 ? (
          <Failure what="The log could not be loaded" error={log.error} retry={log.retry} />
        ) : lines.length === 0 ? (
          <p className="p-6 text-center text-muted">{filtered ? "No line fits." : source.empty}</p>
        ) : (
          <LinesView
            log={log}
            label={label}
            find={find}
            wrap={wrap}
            times={times}
            picked={picked}
            onPick={pick}
            follow={follow}
            onFollow={setFollow}
            toEnd={toEnd}
          />
        )}
      </div>
      {log.error !== null && lines.length > 0 && (
        <p role="alert" className="border-t border-line px-3 py-1 text-sm text-bad">
          More of the log could not be loaded: {describe(log.error)}{" "}
          <button type="button" className="link min-h-6" onClick={log.retry}>
            Retry
          </button>
        </p>
      )}
    </div>
  );
}

const settledMs = 250;

/** A value once it has not changed for a moment: a filter is not tried at every letter that is typed. */
function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    if (value === settled) return;
    const timer = setTimeout(() => setSettled(value), settledMs);
    return () => clearTimeout(timer);
  }, [value, settled]);
  return settled;
}
