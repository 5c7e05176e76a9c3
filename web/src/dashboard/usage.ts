import { useSyncExternalStore } from "react";
import type { FusedWorker } from "../api/types.ts";

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

const most = 120;
// The daemon measures at most every five seconds, and a status frame can come many times within one.
const apartMs = 4_000;

let kept: ReadonlyMap<string, readonly Usage[]> = new Map();
const listeners = new Set<() => void>();

/** Adds what the workers take now to what is kept of the last ten minutes or so. The daemon keeps none of it. */
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
): readonly Usage[] {
  const last = before.at(-1);
  if (last && at - last.at < apartMs) return before;
  const cpu =
    last && last.pid === pid && last.seconds !== null && seconds !== null
      ? Math.max(0, (seconds - last.seconds) / ((at - last.at) / 1_000))
      : null;
  return [...before.slice(1 - most), { at, memory, cpu, seconds, pid }];
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
