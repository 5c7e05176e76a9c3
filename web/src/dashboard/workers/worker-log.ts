import type { LogLine, LogLines } from "../../api/types.ts";
import { saveFile } from "../../lib/save.ts";
import type { Line, LogPage, LogQuery, LogSource } from "../../log/source.ts";
import { client, listenLog } from "../daemon.ts";

// A search looks at files for two seconds and then says how far it got.
const searchLimitMs = 20_000;

const line = (from: LogLine): Line => ({
  pos: from.pos,
  at: from.ts > 0 ? from.ts : null,
  text: from.line,
  mark: from.stream,
});

/** What a worker wrote: the files on the host, and live. */
export function workerLog(id: string, name: string): LogSource {
  const base = `/api/workers/${encodeURIComponent(id)}/logs`;
  return {
    empty: "This worker has written nothing yet. Lines appear here as it writes them.",
    async page(query, signal): Promise<LogPage> {
      const answer = await client.get<LogLines>(`${base}?${parameters(query)}`, { signal, timeoutMs: searchLimitMs });
      return {
        lines: (answer.items ?? []).map(line),
        more: answer.more,
        reached: answer.partial ? (query.after !== undefined ? answer.newer : answer.older) : null,
        count: answer.count ?? null,
        countPartial: answer.countPartial ?? false,
      };
    },
    listen: (listener) =>
      listenLog(id, (signal) => {
        if ("reload" in signal) listener(signal);
        // A line that could not be written has no place, and stands behind the last one that has.
        else if (signal.line.pos >= 0) listener({ line: line(signal.line) });
      }),
    async download(filter) {
      const blob = await client.blob(`${base}/download?${parameters(filter)}`);
      saveFile(`${name.replaceAll(/[^\w.-]+/g, "-")}.log`, blob);
    },
  };
}

function parameters(query: Partial<LogQuery>): URLSearchParams {
  const out = new URLSearchParams();
  if (query.limit !== undefined) out.set("limit", String(query.limit));
  if (query.before !== undefined) out.set("before", String(query.before));
  if (query.after !== undefined) out.set("after", String(query.after));
  if (query.find) out.set("grep", query.find);
  if (query.regex) out.set("regex", "1");
  if (query.mark) out.set("stream", query.mark);
  if (query.count) out.set("count", "1");
  return out;
}
