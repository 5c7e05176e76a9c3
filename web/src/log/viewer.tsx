import { useVirtualizer } from "@tanstack/react-virtual";
import {
  ArrowDown,
  ArrowDownToLine,
  ArrowUpToLine,
  ChevronDown,
  ChevronUp,
  Download,
  Link2,
  Search,
} from "lucide-react";
import { type ReactNode, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { count } from "../lib/format.ts";
import { Button, IconButton } from "../ui/button.tsx";
import { CopyButton } from "../ui/copy.tsx";
import { FilterSelect } from "../ui/field.tsx";
import { Failure, Loading } from "../ui/panel.tsx";
import { describe, toastError } from "../ui/toast.tsx";
import { LogRow } from "./line.tsx";
import type { Picked } from "./picked.ts";
import type { Line, LogSource } from "./source.ts";
import { finder, plain } from "./text.ts";
import { useLog } from "./use-log.ts";
import { useSearch } from "./use-search.ts";
import { indexOf } from "./window.ts";

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

const rowHeight = 20;
const nearEdge = 400; // px from where more is fetched
const nearEnd = 24;

/**
 * A log of any length. It holds the part around where the reader looks and fetches more at its edges; the search runs over
 * all of it on the server. At its end it follows what is written.
 */
export function LogViewer({ source, label, marks = [], picked, onPick, link, aside, className = "" }: Props) {
  const [typed, setTyped] = useState("");
  const [regex, setRegex] = useState(false);
  const [only, setOnly] = useState(false);
  const [mark, setMark] = useState<Line["mark"] | undefined>();
  const [wrap, setWrap] = useState(true);
  const [times, setTimes] = useState(true);
  const find = useMemo(() => (typed === "" ? null : finder(typed, regex)), [typed, regex]);
  const wanted = useMemo(
    () => ({ ...(find ? { find: typed } : {}), ...(regex ? { regex } : {}), ...(mark ? { mark } : {}) }),
    [find, typed, regex, mark],
  );
  const marked = useMemo(() => (mark ? { mark } : {}), [mark]);
  const [from] = useState(picked?.from ?? null);
  const log = useLog(source, { only: only ? wanted : marked, from });
  const search = useSearch(source, wanted, (pos) => {
    onPick({ from: pos, to: pos });
    log.to(pos);
  });

  const [follow, setFollow] = useState(picked === null);
  const box = useRef<HTMLElement>(null);
  const { lines } = log;
  const rows = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    getItemKey: useCallback((i: number) => lines[i]?.pos ?? i, [lines]),
    overscan: 20,
  });

  // After a jump the line it went to stands in the middle; at the end, the newest line at the bottom.
  const moved = useRef(-1);
  useLayoutEffect(() => {
    if (log.loading === "first" || lines.length === 0 || moved.current === log.jumps) return;
    moved.current = log.jumps;
    if (log.target === null) {
      if (follow) rows.scrollToIndex(lines.length - 1, { align: "end" });
      return;
    }
    setFollow(false);
    rows.scrollToIndex(Math.min(lines.length - 1, indexOf(lines, log.target)), { align: "center" });
  }, [log.jumps, log.loading, log.target, lines, rows, follow]);

  const last = lines.at(-1)?.pos ?? -1;
  // biome-ignore lint/correctness/useExhaustiveDependencies: every new line moves the end
  useLayoutEffect(() => {
    if (follow && lines.length > 0 && !log.newer) rows.scrollToIndex(lines.length - 1, { align: "end" });
  }, [follow, last, wrap, log.newer]);

  // Older lines come in above: what the reader looks at stays where it is.
  const top = useRef<number | null>(null);
  useLayoutEffect(() => {
    const before = top.current;
    top.current = lines[0]?.pos ?? null;
    if (before === null || top.current === null || follow || top.current >= before) return;
    const added = indexOf(lines, before);
    if (added > 0 && added < lines.length && box.current) box.current.scrollTop += added * rowHeight;
  }, [lines, follow]);

  const onScroll = () => {
    const view = box.current;
    if (!view) return;
    const below = view.scrollHeight - view.scrollTop - view.clientHeight;
    setFollow(below <= nearEnd && !log.newer);
    if (view.scrollTop < nearEdge) log.loadOlder();
    if (below < nearEdge) log.loadNewer();
  };
  const toEnd = () => {
    onPick(null);
    setFollow(true);
    if (log.newer || log.target !== null) log.toEnd();
    else rows.scrollToIndex(lines.length - 1, { align: "end" });
  };
  const seen = useRef(last);
  if (follow) seen.current = last;
  const unseen = follow ? 0 : lines.length - indexOf(lines, seen.current + 1);

  const pick = useCallback(
    (pos: number, extend: boolean) => {
      if (extend && picked) onPick({ from: Math.min(picked.from, pos), to: Math.max(picked.to, pos) });
      else onPick(picked?.from === pos && picked.to === pos ? null : { from: pos, to: pos });
    },
    [picked, onPick],
  );
  const chosen = picked ? lines.slice(indexOf(lines, picked.from), indexOf(lines, picked.to + 1)) : [];
  const filtered = mark !== undefined || (only && find !== null);

  useEffect(() => {
    const view = box.current;
    if (!view || document.querySelector("dialog[open]:not(:has([data-log]))")) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement) return;
      if (event.key === "End") toEnd();
      else if (event.key === "Home") log.to(0);
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  });

  return (
    <div data-log className={`flex min-h-0 flex-col ${className}`}>
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-3 py-2">
        <search className="flex min-w-56 flex-1 flex-wrap items-center gap-1">
          <label className="relative min-w-40 flex-1">
            <span className="sr-only">Search in {label}</span>
            <Search aria-hidden className="pointer-events-none absolute top-2.5 left-2.5 size-4 text-muted" />
            <input
              data-search
              type="search"
              className="field w-full pl-8"
              placeholder="Search all of it"
              value={typed}
              aria-invalid={typed !== "" && find === null ? true : undefined}
              onChange={(e) => setTyped(e.target.value)}
              onKeyDown={(e) => {
                if (e.key !== "Enter") return;
                e.preventDefault();
                search.step(e.shiftKey ? "newer" : "older");
              }}
            />
          </label>
          <IconButton
            icon={ChevronUp}
            label="Previous match"
            disabled={!find || search.busy}
            onClick={() => search.step("older")}
          />
          <IconButton
            icon={ChevronDown}
            label="Next match"
            disabled={!find || search.busy}
            onClick={() => search.step("newer")}
          />
          <Toggle label="Regular expression" short=".*" on={regex} onChange={setRegex} />
          <Toggle label="Only lines that match" short="only" on={only} onChange={setOnly} disabled={!find} />
        </search>
        {marks.length > 0 && (
          <FilterSelect label="Lines" value={mark} onChange={(m) => setMark(m as Line["mark"] | undefined)}>
            <option value="">All lines</option>
            {marks.map(([name, shown]) => (
              <option key={name} value={name}>
                {shown}
              </option>
            ))}
          </FilterSelect>
        )}
        <Toggle label="Wrap long lines" short="wrap" on={wrap} onChange={setWrap} />
        <Toggle label="Show times" short="times" on={times} onChange={setTimes} />
        <span className="flex">
          <IconButton icon={ArrowUpToLine} label="To the beginning" onClick={() => log.to(0)} />
          <IconButton icon={ArrowDownToLine} label="To the end, and follow" aria-pressed={follow} onClick={toEnd} />
          {source.download && (
            <IconButton
              icon={Download}
              label={filtered ? "Download the lines that fit" : "Download all of it"}
              onClick={() =>
                source
                  .download?.(only ? wanted : marked)
                  .catch((cause: unknown) => toastError("The download failed", cause))
              }
            />
          )}
        </span>
        {aside}
      </div>
      <Status search={search} typed={typed} bad={typed !== "" && find === null} />
      {chosen.length > 0 && (
        <div className="flex flex-wrap items-center gap-2 border-b border-line bg-sunken px-3 py-1 text-sm">
          <Link2 aria-hidden className="size-4 text-muted" />
          <span className="flex-1">{count(chosen.length, "line")} picked</span>
          <span className="flex items-center">
            Text <CopyButton text={chosen.map((l) => plain(l.text)).join("\n")} label="Copy the lines picked" />
          </span>
          {link && (
            <span className="flex items-center">
              Link <CopyButton text={link} label="Copy a link to these lines" />
            </span>
          )}
          <Button size="sm" variant="ghost" onClick={() => onPick(null)}>
            Clear
          </Button>
        </div>
      )}
      <div className="relative min-h-0 flex-1 bg-bg">
        {log.loading === "first" && lines.length === 0 ? (
          <Loading lines={6} />
        ) : log.error && lines.length === 0 ? (
          <Failure what="The log could not be loaded" error={log.error} retry={log.retry} />
        ) : lines.length === 0 ? (
          <p className="p-6 text-center text-muted">{filtered ? "No line fits." : source.empty}</p>
        ) : (
          <section
            ref={box}
            aria-label={label}
            // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
            tabIndex={0}
            onScroll={onScroll}
            className="h-full overflow-auto py-1.5 font-mono text-xs leading-5 -outline-offset-2 [overflow-anchor:none]"
          >
            {log.loading === "older" && <p className="sticky left-0 px-4 text-muted">Loading older lines…</p>}
            <div className="relative" style={{ height: rows.getTotalSize() }}>
              {rows.getVirtualItems().map((row) => {
                const line = lines[row.index];
                if (!line) return null;
                return (
                  <div
                    key={row.key}
                    ref={rows.measureElement}
                    data-index={row.index}
                    className={`absolute top-0 left-0 ${wrap ? "w-full" : "min-w-full"}`}
                    style={{ transform: `translateY(${row.start}px)` }}
                  >
                    <LogRow
                      line={line}
                      find={find}
                      wrap={wrap}
                      times={times}
                      selected={picked !== null && line.pos >= picked.from && line.pos <= picked.to}
                      onPick={pick}
                    />
                  </div>
                );
              })}
            </div>
          </section>
        )}
        {(unseen > 0 || log.behind) && (
          <Button
            variant="primary"
            size="sm"
            icon={ArrowDown}
            className="absolute right-5 bottom-4 shadow-raised"
            onClick={toEnd}
          >
            {log.behind ? "New lines" : count(unseen, "new line")}
          </Button>
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

function Status({ search, typed, bad }: { search: ReturnType<typeof useSearch>; typed: string; bad: boolean }) {
  let text = "";
  if (bad) text = "This is not a regular expression.";
  else if (search.error) text = `The search failed: ${describe(search.error)}`;
  else if (search.busy) text = "Searching…";
  else if (search.total === 0) text = `No line holds “${typed}”.`;
  else if (search.total !== null) {
    const all = `${search.atLeast ? "at least " : ""}${count(search.total, "match", "matches")}`;
    text = search.nth !== null ? `${search.nth} of ${all}` : all;
    if (search.ended) text += search.ended === "older" ? "; none further up" : "; none further down";
  }
  return (
    <p role="status" className={text === "" ? "sr-only" : "border-b border-line px-3 py-1 text-sm text-muted"}>
      {text}
    </p>
  );
}

function Toggle({
  label,
  short,
  on,
  onChange,
  disabled,
}: {
  label: string;
  short: string;
  on: boolean;
  onChange: (on: boolean) => void;
  disabled?: boolean;
}) {
  return (
    <button
      type="button"
      aria-pressed={on}
      aria-label={label}
      title={label}
      disabled={disabled}
      onClick={() => onChange(!on)}
      className="min-h-8 rounded-md border border-transparent px-1.5 font-mono text-sm text-muted hover:bg-sunken disabled:cursor-not-allowed disabled:opacity-55 aria-pressed:border-outline aria-pressed:bg-sunken aria-pressed:text-text"
    >
      {short}
    </button>
  );
}
