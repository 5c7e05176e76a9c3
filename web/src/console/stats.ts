import type { RunGlance } from "../api/types.ts";
import { instant } from "../lib/format.ts";

export interface RunStats {
  /** How many of them ended. */
  ended: number;
  /** The part that completed of those that ended and were not cancelled; null when there is none. */
  success: number | null;
  /** How long those took that completed; null when none did. */
  p50: number | null;
  p95: number | null;
}

/** What the last runs of a pipeline were like. */
export function statsOf(runs: readonly RunGlance[]): RunStats {
  const counted = runs.filter((r) => ["completed", "partial", "failed"].includes(r.status));
  const completed = counted.filter((r) => r.status === "completed");
  const took = completed
    .map((r) => (instant(r.completedAt) ?? 0) - (instant(r.startedAt ?? r.createdAt) ?? 0))
    .filter((ms) => ms >= 0)
    .sort((a, b) => a - b);
  return {
    ended: counted.length,
    success: counted.length > 0 ? completed.length / counted.length : null,
    p50: percentile(took, 0.5),
    p95: percentile(took, 0.95),
  };
}

/** The nearest-rank percentile of ascending values. */
export function percentile(values: readonly number[], p: number): number | null {
  if (values.length === 0) return null;
  return values[Math.min(values.length - 1, Math.max(0, Math.ceil(values.length * p) - 1))] ?? null;
}
