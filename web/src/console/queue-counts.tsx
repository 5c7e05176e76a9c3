import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Failure } from "../ui/panel.tsx";
import type { Tone } from "../ui/state.tsx";
import { Ago } from "../ui/time.tsx";
import { queueQuery } from "./queries/queue.ts";

/** How many task runs are in which state; each number leads to them. */
export function QueueCounts() {
  const queue = useQuery(queueQuery);
  if (queue.isError && !queue.data) {
    return (
      <div className="card">
        <Failure what="The queue could not be read" error={queue.error} retry={() => void queue.refetch()} />
      </div>
    );
  }
  const q = queue.data;
  const cells: [string, number | undefined, Tone, string][] = [
    ["Running", q?.running, "run", "/queue?status=running"],
    ["Queued", q?.pending, "idle", "/queue"],
    ["Waiting", q?.waiting, "idle", "/queue?status=waiting"],
    ["Completed", q?.completed, "ok", "/queue?status=completed"],
    ["Failed", q?.failed, "bad", "/queue?status=failed"],
    ["Dead letters", q?.dlq, "warn", "/dead-letters"],
  ];
  return (
    <section aria-label="Task runs in the queue" className="card">
      <dl className="grid grid-cols-3 divide-line sm:grid-cols-6 sm:divide-x">
        {cells.map(([name, value, tone, href]) => (
          <div key={name} className="px-3 py-3">
            <dt className="text-sm text-muted">{name}</dt>
            <dd
              className={`text-2xl font-semibold tabular-nums ${value ? `tone-${tone} tone-text` : "text-muted"}`}
              data-counter={name}
            >
              <Link to={href} className="hover:underline" aria-label={`${name}: ${value ?? "not known"}`}>
                {value ?? "–"}
              </Link>
            </dd>
          </div>
        ))}
      </dl>
      {q?.oldestPending && (
        <p className="border-t border-line px-3 py-1.5 text-sm text-muted">
          The oldest queued task was queued <Ago at={q.oldestPending} />.
        </p>
      )}
    </section>
  );
}
