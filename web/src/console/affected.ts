import type { StreamEvent } from "../api/types.ts";

export type Key = readonly string[];

/** Which of the queries an event makes old. An empty key means all of them. */
export function affectedKeys(event: StreamEvent): Key[] {
  switch (event.type) {
    case "run":
      // A task that goes on changes no list of runs; one that fails for good may leave a dead letter.
      if (event.runId && event.taskRunId)
        return [
          ["run", event.runId],
          ["queue"],
          ...(event.status === "failed" || event.status === "timeout" ? [["dlq"]] : []),
        ];
      return [...(event.runId ? [["run", event.runId]] : [["run"]]), ["runs"], ["queue"], ["dlq"], ["run-counts"]];
    case "service":
      return [["services"], ["service"], ["pipelines"], ["pipeline"], ["task-history"]];
    case "pipeline":
      return [["pipelines"], ["pipeline"]];
    case "worker":
      return [["workers"], ["hosts"], ["host"], ["services"], ...(event.id ? [["worker-events", event.id]] : [])];
    case "host":
      return [
        ["hosts"],
        ...(event.id
          ? [
              ["host", event.id],
              ["audit-of", event.id],
            ]
          : [["host"]]),
        ["workers"],
      ];
    case "rollout":
      return [
        ["rollouts"],
        ...(event.id
          ? [
              ["rollout", event.id],
              ["audit-of", event.id],
            ]
          : [["rollout"]]),
      ];
    case "release":
      return [["releases"], ["release-keys"]];
    case "enrollment":
      return [["enrollments"], ["enrollment"], ["workers"], ["hosts"], ["tokens"]];
    case "mode":
      return [["maintenance"], ["queue"]];
    default:
      return [[]];
  }
}

/** Gathers keys and hands each on once, the first at once and then not more often than every interval. */
export class Coalescer {
  private readonly waiting = new Map<string, Key>();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private readonly flushTo: (keys: Key[]) => void;
  private readonly intervalMs: number;

  constructor(flushTo: (keys: Key[]) => void, intervalMs: number) {
    this.flushTo = flushTo;
    this.intervalMs = intervalMs;
  }

  add(keys: Key[]): void {
    for (const key of keys) this.waiting.set(JSON.stringify(key), key);
    if (this.timer === null) this.flush();
  }

  private flush(): void {
    this.timer = null;
    if (this.waiting.size === 0) return;
    const keys = [...this.waiting.values()];
    this.waiting.clear();
    this.timer = setTimeout(() => this.flush(), this.intervalMs);
    this.flushTo(keys);
  }
}
