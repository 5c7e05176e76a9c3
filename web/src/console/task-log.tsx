import { queryOptions, useQuery } from "@tanstack/react-query";
import { Maximize2 } from "lucide-react";
import { lazy, Suspense, useMemo, useState } from "react";
import type { TaskLog as Answer, TaskLogLine } from "../api/types.ts";
import { Mark } from "../log/mark.tsx";
import type { Picked } from "../log/picked.ts";
import {
  type Line,
  type LogPage,
  type LogQuery,
  type LogSource,
  logPage,
  logParameters,
  searchLimitMs,
} from "../log/source.ts";
import { plain } from "../log/text.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Awaited, Loading } from "../ui/panel.tsx";
import { LogTime } from "../ui/time.tsx";
import { type LogLevel, logLevels } from "./run/search.ts";
import { client } from "./server.ts";

const LogViewer = lazy(async () => ({ default: (await import("../log/viewer.tsx")).LogViewer }));

/** The log that the last attempt of a task run left in storage. */
export function taskLog(run: string): LogSource {
  return {
    empty: "The task wrote nothing to its log.",
    page: (query, signal) => ask(run, query, signal),
    file: run,
    download: (filter, form) =>
      client.blob(
        `/api/task-runs/${encodeURIComponent(run)}/logs/download?${logParameters(filter, "level")}&format=${form}`,
      ),
  };
}

async function ask(run: string, query: LogQuery, signal: AbortSignal): Promise<LogPage> {
  const path = `/api/task-runs/${encodeURIComponent(run)}/logs?${logParameters(query, "level")}`;
  return logPage(await client.get<Answer>(path, { signal, timeoutMs: searchLimitMs }), query, line);
}

const line = (from: TaskLogLine): Line => ({
  pos: from.pos,
  at: from.at ? Date.parse(from.at) : null,
  text: from.text,
  mark: logLevels.find((level) => level === from.level) ?? "info",
});

/** The path is part of the key: another attempt leaves another log. */
const tailQuery = (run: string, path: string, last: number) =>
  queryOptions({
    queryKey: ["task-log", run, path, last],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: ({ signal }) => ask(run, { limit: last }, signal),
  });

/** The end of a log, and a button for all of it. */
export function TaskLog({
  run,
  path,
  label,
  last = 50,
  onOpen,
}: {
  run: string;
  path: string;
  label: string;
  last?: number;
  /** Opens all of it elsewhere, at the last error that is shown; without it, it opens in a drawer. */
  onOpen?: (line: number | undefined) => void;
}) {
  const tail = useQuery(tailQuery(run, path, last));
  const [whole, setWhole] = useState(false);
  if (!tail.data) {
    return <Awaited query={tail} what="The log could not be loaded" lines={2} />;
  }
  const { lines, next } = tail.data;
  if (lines.length === 0) return <p className="p-3 text-sm text-muted">The task wrote nothing to its log.</p>;
  const error = lines.findLast((l) => l.mark === "error")?.pos;
  return (
    <>
      <section
        aria-label={label}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
        tabIndex={0}
        className="max-h-72 overflow-auto bg-bg py-1.5 font-mono text-xs leading-5 -outline-offset-2"
      >
        {lines.map((l) => (
          <div key={l.pos} className="flex gap-3 px-3 hover:bg-sunken">
            {l.at !== null && <LogTime ms={l.at} />}
            <Mark of={l.mark} />
            <span className="min-w-0 flex-1 whitespace-pre-wrap">{plain(l.text)}</span>
          </div>
        ))}
      </section>
      <div className="flex items-center gap-3 border-t border-line px-3 py-1.5 text-sm text-muted">
        <span className="flex-1">{next !== null ? `The last ${lines.length} lines.` : "That is all of it."}</span>
        <Button size="sm" icon={Maximize2} onClick={() => (onOpen ? onOpen(error) : setWhole(true))}>
          {onOpen && error !== undefined ? "Open the log at the error" : "Open the log"}
        </Button>
      </div>
      {whole && <WholeLog run={run} path={path} label={label} onClose={() => setWhole(false)} />}
    </>
  );
}

function WholeLog({ run, path, label, onClose }: { run: string; path: string; label: string; onClose: () => void }) {
  // biome-ignore lint/correctness/useExhaustiveDependencies: another path is another log
  const source = useMemo(() => taskLog(run), [run, path]);
  const [picked, setPicked] = useState<Picked | null>(null);
  const [level, setLevel] = useState<LogLevel>();
  return (
    <Dialog kind="drawer" title={label} onClose={onClose}>
      <Suspense fallback={<Loading lines={6} />}>
        <LogViewer
          source={source}
          label={label}
          marks={logLevels.map((level) => [level, level])}
          mark={level}
          onMark={(mark) => setLevel(logLevels.find((l) => l === mark))}
          picked={picked}
          onPick={setPicked}
          className="flex-1"
        />
      </Suspense>
    </Dialog>
  );
}
