import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { count } from "../lib/format.ts";
import { parseLog } from "../lib/task-log.ts";
import { Failure, Loading } from "../ui/panel.tsx";
import { LogTime } from "../ui/time.tsx";
import { objectQuery } from "./server.ts";

const tones: Record<string, string> = { error: "text-bad", warn: "text-warn", warning: "text-warn" };

/** The end of the log that an attempt left in storage. */
export function TaskLog({ path, label, last = 500 }: { path: string; label: string; last?: number }) {
  const object = useQuery(objectQuery(path));
  const lines = useMemo(() => (object.data ? parseLog(object.data.text) : []), [object.data]);
  if (!object.data) {
    return object.isError ? (
      <Failure what="The log could not be loaded" error={object.error} retry={() => void object.refetch()} />
    ) : (
      <Loading lines={2} />
    );
  }
  const shown = lines.slice(-last);
  const before = lines.length - shown.length;
  if (shown.length === 0) return <p className="p-3 text-sm text-muted">The task wrote nothing to its log.</p>;
  return (
    <section
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
      tabIndex={0}
      className="max-h-72 overflow-auto bg-bg py-1.5 font-mono text-xs leading-5 -outline-offset-2"
    >
      {object.data.cut && <p className="px-3 text-warn">The log is long: this is from its beginning, not its end.</p>}
      {before > 0 && <p className="px-3 text-muted">{count(before, "line")} before these</p>}
      {shown.map((line, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a stored log does not change
        <div key={i} className="flex gap-3 px-3 hover:bg-sunken">
          {line.at !== null && <LogTime ms={line.at} />}
          <span className={`w-9 shrink-0 select-none ${tones[line.level] ?? "text-muted"}`}>{line.level}</span>
          <span className="min-w-0 flex-1 whitespace-pre-wrap">{line.text}</span>
        </div>
      ))}
    </section>
  );
}
