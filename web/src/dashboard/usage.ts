import { useSyncExternalStore } from "react";
import type { FusedWorker, UsageSample, WorkerUsage } from "../api/types.ts";

/** What a worker took at one moment. */
export interface Usage {
  at: number; // ms
  memory: number | null; // bytes
  /** Processors in use since the sample before; null for the first of a process. */
  cpu: number | null;
  /** Kept to find the difference to the next. */
  seconds: number | null;
  pid: number | null;
}

const most = 240;
// The daemon measures at most every five seconds, and a status frame can come many times within one.
const apartMs = 4_000;
// The daemon remembers a measurement every half minute.
const longestGapMs = 75_000;

let kept: ReadonlyMap<string, readonly Usage[]> = new Map();
const listeners = new Set<() => void>();

/** Adds what the workers take now to what is kept of the last while. */
export function recordUsage(workers: FusedWorker[], now = Date.now()): void {
  const next = new Map<string, readonly Usage[]>();
  for (const { id, local } of workers) {
    const before = kept.get(id) ?? [];
    next.set(id, withSample(before, now, local?.memoryBytes ?? null, local?.cpuSeconds ?? null, local?.pid ?? null));
  }
  kept = next;
  for (const listener of listeners) listener();
}

export function withSample(
  before: readonly Usage[],
  at: number,
  memory: number | null,
  seconds: number | null,
  pid: number | null,
  apart = apartMs,
): readonly Usage[] {
  const last = before.at(-1);
  if (last && at - last.at < apart) return before;
  const cpu =
    last && last.pid === pid && last.seconds !== null && seconds !== null
      ? Math.max(0, (seconds - last.seconds) / ((at - last.at) / 1_000))
      : null;
  return [...before.slice(1 - most), { at, memory, cpu, seconds, pid }];
}

/** Puts what the daemon remembers before what this page has seen itself. */
export function recordHistory(history: WorkerUsage[]): void {
  const next = new Map(kept);
  for (const { workerId, samples } of history) next.set(workerId, withHistory(kept.get(workerId) ?? [], samples ?? []));
  kept = next;
  for (const listener of listeners) listener();
}

export function withHistory(own: readonly Usage[], samples: UsageSample[]): readonly Usage[] {
  const first = own[0]?.at ?? Number.POSITIVE_INFINITY;
  let before: readonly Usage[] = [];
  for (const s of samples) {
    if (first - s.ts >= apartMs) before = withSample(before, s.ts, s.memoryBytes, s.cpuSeconds, s.pid, 1_000);
  }
  return before.length === 0 ? own : [...before, ...own].slice(-most);
}

const slots = 60;

/**
 * One measurement for each of so many equal times between the first and the last: what is measured is not evenly apart, and
 * a curve is. Null where nothing was measured for long.
 */
export function evenly(samples: readonly Usage[], of: (u: Usage) => number | null): (number | null)[] {
  const first = samples[0]?.at ?? 0;
  const span = (samples.at(-1)?.at ?? 0) - first;
  if (samples.length < 3 || span <= 0) return [];
  const out: (number | null)[] = [];
  let at = 0;
  for (let slot = 0; slot <= slots; slot++) {
    const when = first + (span * slot) / slots;
    while (at + 1 < samples.length && (samples[at + 1]?.at ?? 0) <= when) at++;
    const found = samples[at];
    out.push(found && when - found.at < longestGapMs ? of(found) : null);
  }
  return out;
}

const nothing: readonly Usage[] = [];

/** What a worker took lately, oldest first. */
export function useUsage(id: string): readonly Usage[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => kept.get(id) ?? nothing,
  );
}
