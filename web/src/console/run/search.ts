import { oneOf, positive, present, type Raw, text } from "../params.ts";

/** The levels of a task's log, as its server knows them. */
export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

/** The parts of a run's page, one of which is shown. */
export const runTabs = ["graph", "timeline", "tasks", "logs", "events", "data"] as const;
export type RunTab = (typeof runTabs)[number];

/** What of a run is shown. */
export interface RunSearch {
  [key: string]: unknown;
  tab?: RunTab | undefined;
  /** The task that is open. */
  task?: string | undefined;
  /** The time line: an attempt, a group of tasks, a part of the time (ms). */
  attempt?: number | "last" | undefined;
  group?: string | undefined;
  from?: number | undefined;
  to?: number | undefined;
  /** The graph: what stands for many and is drawn one by one all the same. */
  unfold?: string[] | undefined;
  /** The list of tasks, and the time line. */
  state?: string | undefined;
  find?: string | undefined;
  /** The first and last line that is picked in a log. */
  line?: string | undefined;
  /** The level that lines of a log are chosen by. */
  level?: LogLevel | undefined;
}

export const readRunSearch = (raw: Raw): RunSearch =>
  present({
    // Older links name the table another way.
    tab: oneOf(raw.tab, ...runTabs) ?? (raw.view === "table" ? "tasks" : undefined),
    task: text(raw.task),
    attempt: raw.attempt === "last" ? "last" : positive(raw.attempt),
    group: text(raw.group),
    from: positive(raw.from),
    to: positive(raw.to),
    unfold: Array.isArray(raw.unfold) ? raw.unfold.filter((id) => typeof id === "string") : undefined,
    state: text(raw.state),
    find: text(raw.find),
    line: /^\d+(-\d+)?$/.test(String(raw.line ?? "")) ? String(raw.line) : undefined,
    level: oneOf(raw.level, ...logLevels),
  });
