import type { LinkProps } from "@tanstack/react-router";
import type {
  DeadLetter,
  Enrollment,
  Host,
  Maintenance,
  QueueStatus,
  Rollout,
  RunCounts,
  RunTally,
  Service,
} from "../../api/types.ts";
import { count, instant } from "../../lib/format.ts";

/** Something that an operator should look at, and where. */
export interface Concern {
  key: string;
  /** A word of ui/state: the icon and the tone. */
  state: string;
  /** What it is about, as people named it. */
  name?: string;
  text: string;
  detail?: string | undefined;
  /** Since when, or when it was the last time. */
  at?: string | null | undefined;
  link: Pick<LinkProps, "to" | "params" | "search">;
  action: string;
}

const day = 24;
/** So many of a kind are named; of more only the number is. */
const named = 3;
/** A task that waits for longer than this waits for something other than its turn. */
const longWaitMs = 600_000;

export const allOf = (t: RunTally): number => t.completed + t.failed + t.partial + t.cancelled + t.active;

/** Somebody sits before a terminal and waits. */
export function joining(pending: readonly Enrollment[]): Concern[] {
  return pending.map((e) => ({
    key: `joining ${e.id}`,
    state: "unfinished",
    name: e.hostname || e.label || "A host",
    text: "asked to join",
    at: e.createdAt,
    link: { to: "/activate", search: e.userCode ? { code: e.userCode } : {} },
    action: "Review",
  }));
}

/** The pipelines that failed in the last day, those that failed most first. */
export function failing(counts: RunCounts): Concern[] {
  const failed = (counts.pipelines ?? []).filter((p) => p.runs.failed > 0);
  const shown = failed.slice(0, named).map((p): Concern => {
    const all = allOf(p.runs);
    return {
      key: `failing ${p.pipelineId}`,
      state: "failed",
      name: p.pipelineId,
      text: all === 1 ? "failed in the last day" : `failed ${p.runs.failed} of ${count(all, "time")} in the last day`,
      detail: p.lastFailed?.error.split("\n", 1)[0],
      at: p.lastFailed?.createdAt,
      link:
        p.runs.failed === 1 && p.lastFailed
          ? { to: "/runs/$id", params: { id: p.lastFailed.id } }
          : { to: "/runs", search: { status: "failed", pipeline: p.pipelineId, hours: day } },
      action: p.runs.failed === 1 ? "See the run" : "See them",
    };
  });
  const rest = failed.length - shown.length;
  if (rest > 0)
    shown.push({
      key: "failing more",
      state: "failed",
      text: `${count(rest, "more pipeline")} failed in the last day`,
      link: { to: "/runs", search: { status: "failed", hours: day } },
      action: "See all",
    });
  return shown;
}

/** Hosts that are away, and those that say of themselves that something is wrong. */
export function ailing(hosts: readonly Host[]): Concern[] {
  const away = hosts.filter((h) => h.status === "offline");
  const warned = hosts.filter((h) => h.status === "online" && (h.warnings ?? []).length > 0);
  const of = (
    some: Host[],
    state: string,
    one: (h: Host) => Omit<Concern, "key" | "state" | "name" | "link" | "action">,
    many: string,
    filter: string,
  ): Concern[] =>
    some.length > named
      ? [
          {
            key: filter,
            state,
            text: `${some.length} ${many}`,
            link: { to: "/hosts", search: { state: filter } },
            action: "See them",
          },
        ]
      : some.map((h) => ({
          key: `${filter} ${h.id}`,
          state,
          name: h.label || h.name,
          ...one(h),
          link: { to: "/hosts/$id", params: { id: h.id } },
          action: "See the host",
        }));
  return [
    ...of(
      away,
      "offline",
      (h) => ({
        text: "is offline",
        detail: h.workers > 0 ? `with ${count(h.workers, "worker")}` : undefined,
        at: h.lastSeenAt,
      }),
      "hosts are offline",
      "offline",
    ),
    ...of(warned, "warning", (h) => ({ text: h.warnings?.[0] ?? "" }), "hosts have warnings", "warning"),
  ];
}

/** Rollouts that stopped by themselves, or that somebody paused. */
export function stopped(rollouts: readonly Rollout[]): Concern[] {
  return rollouts
    .filter((r) => r.status === "paused")
    .map((r) => ({
      key: `rollout ${r.id}`,
      state: "paused",
      name: `${r.program} ${r.version}`,
      text: "rolls out no further",
      detail: r.reason,
      at: r.updatedAt,
      link: { to: "/rollouts/$id", params: { id: r.id } },
      action: "Decide",
    }));
}

/** Tasks that were given up in the last day. */
export function givenUp(fresh: { count: number; newest: DeadLetter | undefined }, all: number | undefined): Concern[] {
  if (fresh.count === 0) return [];
  const older = (all ?? 0) - fresh.count;
  return [
    {
      key: "letters",
      state: "warning",
      text: `${count(fresh.count, "dead letter")} came in the last day${older > 0 ? `, beside ${older} older` : ""}`,
      detail: fresh.newest && `${fresh.newest.taskId}: ${fresh.newest.error.split("\n", 1)[0]}`,
      at: fresh.newest?.failedAt,
      link: { to: "/dead-letters", search: { hours: day } },
      action: "See them",
    },
  ];
}

/** Services that nobody serves, so that what is queued for them waits, and those that miss some who did. */
export function idle(services: readonly Service[]): Concern[] {
  return services
    .filter((s) => s.health !== "serving")
    .map((s) => ({
      key: `service ${s.id}`,
      state: s.health,
      name: s.id,
      text: s.health === "unserved" ? "is served by nobody; its tasks wait" : "misses workers",
      detail: s.healthReason,
      at: s.lastHeartbeat,
      link: { to: "/services" },
      action: "See services",
    }));
}

/** A queue that does not move. */
export function stuck(queue: QueueStatus, mode: Maintenance | undefined, now: number): Concern[] {
  if (mode && mode.mode !== "running")
    return [
      {
        key: "mode",
        state: "warning",
        text: mode.mode === "maintenance" ? "Maintenance: no work is accepted" : "Maintenance is about to begin",
        detail: mode.reason || `${mode.pendingTasks} queued, ${mode.runningTasks} running`,
        at: mode.modeChangedAt,
        link: { to: "/queue" },
        action: "See the queue",
      },
    ];
  const oldest = instant(queue.oldestPending);
  if (oldest === null || now - oldest < longWaitMs) return [];
  return [
    {
      key: "queue",
      state: "warning",
      text: `A task waits for a long time, with ${queue.pending - 1} behind it`,
      at: queue.oldestPending,
      link: { to: "/queue" },
      action: "See the queue",
    },
  ];
}
