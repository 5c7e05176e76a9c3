import { ArrowDown, Download, Search } from "lucide-react";
import { memo, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { FusedWorker } from "../api/types.ts";
import { count } from "../lib/format.ts";
import { filterLines, type LogFilter, logText, splitMatches } from "../lib/log-buffer.ts";
import { saveFile } from "../lib/save.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Failure, Loading } from "../ui/panel.tsx";
import { StateBadge } from "../ui/state.tsx";
import { LogTime } from "../ui/time.tsx";
import { type ShownLine, useLog } from "./use-log.ts";
import { localWord, nameOf } from "./worker-state.ts";

const chunkSize = 100;
const nearEnd = 24;

/** The log of one worker: the end of its file, then live. */
export function LogDrawer({ worker, onClose }: { worker: FusedWorker; onClose: () => void }) {
  const log = useLog(worker.id);
  const [filter, setFilter] = useState<LogFilter>({ stream: "all", search: "" });
  const [wrap, setWrap] = useState(true);
  const [follow, setFollow] = useState(true);
  const view = useRef<HTMLElement>(null);
  const seen = useRef(0);
  const shown = useMemo(() => filterLines(log.lines, filter), [log.lines, filter]);
  const last = shown.at(-1)?.n ?? 0;
  if (follow) seen.current = last;
  const unseen = follow ? 0 : shown.filter((l) => l.n > seen.current).length;

  // biome-ignore lint/correctness/useExhaustiveDependencies: every new line moves the end
  useLayoutEffect(() => {
    if (follow && view.current) view.current.scrollTop = view.current.scrollHeight;
  }, [follow, last, wrap, filter]);

  const onScroll = useCallback(() => {
    const box = view.current;
    if (box) setFollow(box.scrollHeight - box.scrollTop - box.clientHeight <= nearEnd);
  }, []);
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if (e.key === "End" && !(e.target instanceof HTMLInputElement)) setFollow(true);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);

  const name = nameOf(worker);
  const filtered = filter.search !== "" || filter.stream !== "all";
  return (
    <Dialog
      kind="drawer"
      title={`Log of ${name}`}
      onClose={onClose}
      aside={<StateBadge state={localWord(worker.local)} />}
    >
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-4 py-2">
        <label className="relative min-w-40 flex-1">
          <span className="sr-only">Search in the log</span>
          <Search aria-hidden className="pointer-events-none absolute top-2.5 left-2.5 size-4 text-muted" />
          <input
            data-search
            type="search"
            className="field w-full pl-8"
            placeholder="Search"
            value={filter.search}
            onChange={(e) => setFilter((f) => ({ ...f, search: e.target.value }))}
          />
        </label>
        <label>
          <span className="sr-only">Stream</span>
          <select
            className="field"
            value={filter.stream}
            onChange={(e) => setFilter((f) => ({ ...f, stream: e.target.value as LogFilter["stream"] }))}
          >
            <option value="all">All output</option>
            <option value="out">stdout</option>
            <option value="err">stderr</option>
          </select>
        </label>
        <Check label="Follow" checked={follow} onChange={setFollow} />
        <Check label="Wrap" checked={wrap} onChange={setWrap} />
        <Button
          size="sm"
          icon={Download}
          disabled={shown.length === 0}
          onClick={() => saveFile(`${name.replaceAll(/[^\w.-]+/g, "-")}.log`, logText(shown))}
        >
          Download
        </Button>
      </div>
      <div className="relative min-h-0 flex-1 bg-bg">
        {log.loading && log.lines.length === 0 ? (
          <Loading lines={6} />
        ) : log.error && log.lines.length === 0 ? (
          <Failure what="The log could not be loaded" error={log.error} retry={log.reload} />
        ) : shown.length === 0 ? (
          <p className="p-6 text-center text-muted">
            {filtered
              ? "No line matches. "
              : "This worker has written nothing yet. Lines appear here as it writes them."}
            {filtered && (
              <button type="button" className="link" onClick={() => setFilter({ stream: "all", search: "" })}>
                Clear the filter
              </button>
            )}
          </p>
        ) : (
          <section
            ref={view}
            aria-label={`Log lines of ${name}`}
            // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
            tabIndex={0}
            onScroll={onScroll}
            className="h-full overflow-auto py-2 font-mono text-xs leading-5 -outline-offset-2"
          >
            <div className={wrap ? "" : "w-max min-w-full"}>
              {log.dropped > 0 && (
                <p className="px-4 text-muted">{count(log.dropped, "older line")} are only in the file on the host.</p>
              )}
              {chunks(shown).map((chunk) => (
                <Chunk key={chunk[0]?.n} lines={chunk} search={filter.search} wrap={wrap} />
              ))}
            </div>
          </section>
        )}
        {unseen > 0 && (
          <Button
            variant="primary"
            size="sm"
            icon={ArrowDown}
            className="absolute right-5 bottom-4 shadow-raised"
            onClick={() => setFollow(true)}
          >
            {count(unseen, "new line")}
          </Button>
        )}
      </div>
      <footer className="border-t border-line px-4 py-1.5 text-sm text-muted">
        {filtered ? `${shown.length} of ${count(log.lines.length, "line")}` : count(log.lines.length, "line")}
      </footer>
    </Dialog>
  );
}

function Check({ label, checked, onChange }: { label: string; checked: boolean; onChange: (on: boolean) => void }) {
  return (
    <label className="flex min-h-7 items-center gap-1.5 text-sm">
      <input
        type="checkbox"
        className="size-4 accent-accent"
        checked={checked}
        onChange={(e) => onChange(e.target.checked)}
      />
      {label}
    </label>
  );
}

/** Cut at fixed line numbers, so that a chunk that is full never renders again. */
function chunks(lines: ShownLine[]): ShownLine[][] {
  const out: ShownLine[][] = [];
  let current = -1;
  for (const line of lines) {
    const at = Math.floor(line.n / chunkSize);
    if (at !== current) out.push([]);
    current = at;
    out.at(-1)?.push(line);
  }
  return out;
}

interface ChunkProps {
  lines: ShownLine[];
  search: string;
  wrap: boolean;
}

const Chunk = memo(
  function Chunk({ lines, search, wrap }: ChunkProps) {
    return (
      <div className="[contain-intrinsic-size:auto_500px] [content-visibility:auto]">
        {lines.map((line) => (
          <div key={line.n} className={`flex gap-3 px-4 hover:bg-sunken ${wrap ? "" : "whitespace-pre"}`}>
            <LogTime ms={line.ts} />
            <span className={`w-6 shrink-0 select-none ${line.stream === "err" ? "text-bad" : "text-muted"}`}>
              {line.stream}
            </span>
            <span className={`min-w-0 flex-1 ${wrap ? "break-words whitespace-pre-wrap" : ""}`}>
              {splitMatches(line.line, search).map((part, i) =>
                i % 2 === 1 ? (
                  // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a line never move
                  <mark key={i} className="rounded-xs bg-warn text-surface">
                    {part}
                  </mark>
                ) : (
                  part
                ),
              )}
            </span>
          </div>
        ))}
      </div>
    );
  },
  (a, b) =>
    a.search === b.search &&
    a.wrap === b.wrap &&
    a.lines.length === b.lines.length &&
    a.lines[0]?.n === b.lines[0]?.n &&
    a.lines.at(-1)?.n === b.lines.at(-1)?.n,
);
