import { type ReactNode, useCallback, useEffect, useMemo, useState } from "react";
import { useKeyNotes } from "../lib/keyboard.ts";
import { copyAloud } from "../ui/copy.tsx";
import { Failure, Loading } from "../ui/panel.tsx";
import { announce, describe } from "../ui/toast.tsx";
import { orderPreference, timesPreference, wrapPreference } from "./choices.ts";
import { copyPicked } from "./copy-picked.ts";
import { DownloadMenu } from "./download-menu.tsx";
import { lineKeyNotes, type PickedKey } from "./line-keys.ts";
import { LinesView } from "./lines-view.tsx";
import type { Picked } from "./picked.ts";
import { PickedBar } from "./picked-bar.tsx";
import { SearchStatus } from "./search-status.tsx";
import type { Line, LogFilter, LogSource } from "./source.ts";
import { finder } from "./text.ts";
import { type Choice, LogToolbar } from "./toolbar.tsx";
import { useCursor } from "./use-cursor.ts";
import { useLog } from "./use-log.ts";
import { useSearch } from "./use-search.ts";

interface Props {
  source: LogSource;
  /** What it is the log of: "Log of w1". */
  label: string;
  /** The marks that lines can be chosen by. */
  marks?: [Line["mark"], string][];
  /** The one that they are chosen by. */
  mark: Line["mark"] | undefined;
  onMark: (mark: Line["mark"] | undefined) => void;
  picked: Picked | null;
  onPick: (picked: Picked | null) => void;
  /** The address of this view with lines picked, to copy. */
  link?: (picked: Picked) => string;
  aside?: ReactNode;
  className?: string;
}

const nothingChosen: Choice = { typed: "", regex: false, exactCase: false, only: false };

/**
 * A log of any length. It holds the part around where the reader looks and fetches more at its edges; the search runs over
 * all of it on the server. At its end it follows what is written.
 */
export function LogViewer(props: Props) {
  const { source, label, marks = [], mark, onMark, picked, onPick, link, aside, className = "" } = props;
  const [choice, setChoice] = useState(nothingChosen);
  const { typed, regex, exactCase } = choice;
  const only = choice.only && typed !== "";
  const wrap = wrapPreference.use() === "wrap";
  const times = timesPreference.use() === "times";
  const flip = orderPreference.use() === "newest";
  const cursor = useCursor(picked, onPick);
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
    cursor.to(pos, true);
    setFollow(false);
    to(pos);
  });

  const toOldest = () => {
    setFollow(false);
    cursor.to(0, true);
    to(0);
  };
  // The keys stay at no line: one that follows would have each new one read out.
  const toNewest = () => {
    onPick(null);
    cursor.to(null, false);
    setFollow(true);
    if (log.newer !== null || log.target !== null) to(null);
  };
  const { pick } = cursor;
  const onLine = useCallback(
    (pos: number, extend: boolean, from?: number) => {
      setFollow(false); // what is picked does not run away
      pick(pos, extend, from);
    },
    [pick],
  );
  const [said, say] = useBriefly();
  const onKey = async (key: PickedKey, pos: number | null) => {
    const these = picked ?? (pos === null ? null : { from: pos, to: pos });
    if (key === "leave") {
      onPick(null);
      cursor.to(null, false);
    } else if (these === null) announce("No line is picked");
    else if (key === "copy") {
      if (await copyPicked(source, log, these)) say(these.from === these.to ? "Line copied" : "Lines copied");
    } else if (link && (await copyAloud(link(these)))) say("Link copied");
  };

  useKeyNotes(lineKeyNotes);
  useEffect(() => {
    if (document.querySelector("dialog[open]:not(:has([data-log]))")) return;
    const onEdge = (event: KeyboardEvent) => {
      const { target } = event;
      if (event.defaultPrevented || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
      if (target instanceof HTMLElement && target.matches("input, select, textarea")) return;
      if (event.key !== "Home" && event.key !== "End") return;
      event.preventDefault();
      if ((event.key === "End") === flip) toOldest();
      else toNewest();
    };
    document.addEventListener("keydown", onEdge);
    return () => document.removeEventListener("keydown", onEdge);
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
        mark={mark}
        onMark={onMark}
        flip={flip}
        follow={follow}
        toOldest={toOldest}
        toNewest={toNewest}
      >
        <DownloadMenu source={source} filter={filtered ? fitting : null} lines={lines} />
        {aside}
      </LogToolbar>
      <SearchStatus search={search} typed={typed} flip={flip} />
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
            flip={flip}
            picked={picked}
            cursor={cursor}
            onPick={onLine}
            onKey={(key, pos) => void onKey(key, pos)}
            follow={follow}
            onFollow={setFollow}
            toNewest={toNewest}
          />
        )}
        {said && (
          <p
            aria-hidden // it was announced
            className="pointer-events-none absolute top-2 right-5 rounded-md border border-line bg-surface px-2.5 py-1 text-sm shadow-raised"
          >
            {said}
          </p>
        )}
      </div>
      {picked && lines.length > 0 && (
        <PickedBar source={source} window={log} picked={picked} link={link?.(picked)} onClear={() => onPick(null)} />
      )}
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

/** A word that goes away by itself. No toast: that would lie over what is done with the lines. */
function useBriefly(): [string, (text: string) => void] {
  const [text, setText] = useState("");
  useEffect(() => {
    if (text === "") return;
    const timer = setTimeout(() => setText(""), 1_600);
    return () => clearTimeout(timer);
  }, [text]);
  return [text, setText];
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
