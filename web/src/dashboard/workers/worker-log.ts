import type { LogLine, LogLines } from "../../api/types.ts";
import { type Line, type LogSource, logPage, logParameters, searchLimitMs } from "../../log/source.ts";
import { client, listenLog } from "../daemon.ts";

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
    async page(query, signal) {
      const path = `${base}?${logParameters(query, "stream")}`;
      return logPage(await client.get<LogLines>(path, { signal, timeoutMs: searchLimitMs }), query, line);
    },
    listen: (listener) =>
      listenLog(id, (signal) => {
        if ("reload" in signal) listener(signal);
        // A line that could not be written has no place, and stands behind the last one that has.
        else if (signal.line.pos >= 0) listener({ line: line(signal.line) });
      }),
    file: name.replaceAll(/[^\w.-]+/g, "-"),
    download: (filter, form) => client.blob(`${base}/download?${logParameters(filter, "stream")}&format=${form}`),
  };
}
