import type { Rollout, RolloutCounts, RolloutTarget, StartRolloutRequest } from "../../api/types.ts";
import { count, shellQuote } from "../../lib/format.ts";

/** How far a rollout is, as a part of its hosts. */
export const doneOf = (c: RolloutCounts): number =>
  c.total === 0 ? 0 : (c.succeeded + c.failed + c.refused + c.withdrawn + c.skipped) / c.total;

/** The counts in words, those that are none left out. */
export function countWords(c: RolloutCounts): string {
  const parts: [number, string][] = [
    [c.succeeded, "done"],
    [c.failed, "failed"],
    [c.refused, "refused"],
    [c.withdrawn, "taken back"],
    [c.skipped, "skipped"],
    [c.out, "under way"],
    [c.waiting - c.offline, "waiting"],
    [c.offline, "offline"],
  ];
  const words = parts.filter(([n]) => n > 0).map(([n, word]) => `${n} ${word}`);
  return `${count(c.total, "host")}${words.length > 0 ? `: ${words.join(", ")}` : ""}`;
}

/** What a person may do with a rollout now. */
export function verbsOf(r: Rollout): {
  pause: boolean;
  resume: boolean;
  retry: boolean;
  abort: boolean;
  rollback: boolean;
} {
  const trouble = r.counts.failed + r.counts.refused > 0;
  return {
    pause: r.status === "running",
    resume: r.status === "paused",
    retry: (r.status === "paused" || r.status === "failed") && trouble,
    abort: r.status === "running" || r.status === "paused",
    rollback:
      r.kind === "upgrade" && r.status !== "aborting" && r.counts.succeeded + r.counts.out + r.counts.failed > 0,
  };
}

/** The hosts that a rollout stopped for: those that failed and were not forgiven, and those that refused. */
export const troubled = (targets: RolloutTarget[]): RolloutTarget[] =>
  targets.filter((t) => ["failed", "overdue", "refused"].includes(t.state) && !t.forgiven);

export interface StartForm {
  program: string;
  version: string;
  channel: string;
  /** Ids of hosts; none of them means every host that is not on the version. */
  hosts: string[];
  label: string;
  canary: number;
  maxUnavailable: number;
  maxFailures: number;
  note: string;
}

/** The request that a form stands for. */
export function startRequest(form: StartForm): StartRolloutRequest {
  return {
    program: form.program as NonNullable<StartRolloutRequest["program"]>, // or any other that is published
    version: form.version,
    ...(form.channel ? { channel: form.channel } : {}),
    ...(form.hosts.length > 0 ? { hosts: form.hosts } : {}),
    ...(form.label.trim() ? { label: form.label.trim() } : {}),
    canary: form.canary,
    maxUnavailable: form.maxUnavailable,
    maxFailures: form.maxFailures,
    ...(form.note.trim() ? { note: form.note.trim() } : {}),
  };
}

/** The command that does the same; names stand for the ids of hosts. */
export function startCommand(form: StartForm, names: string[]): string {
  return [
    `pipeweave rollouts start --program ${shellQuote(form.program)} --to ${shellQuote(form.version)}`,
    form.channel && `--channel ${shellQuote(form.channel)}`,
    names.length > 0 && `--hosts ${shellQuote(names.join(","))}`,
    form.label.trim() && `--label ${shellQuote(form.label.trim())}`,
    `--canary ${form.canary} --max-unavailable ${form.maxUnavailable} --max-failures ${form.maxFailures}`,
    form.note.trim() && `--note ${shellQuote(form.note.trim())}`,
  ]
    .filter(Boolean)
    .join(" ");
}
