import type { Run } from "../../api/types.ts";

interface Base {
  ids: string[];
  total: number;
}

/**
 * What to show of a newer answer: the runs that were shown before, as they are now, and how many there are besides. A run
 * that fits the filter no more is gone. On a page behind the first nothing is new; there the answer is shown as it is.
 */
export function holdRuns(runs: Run[], total: number, base: Base | null): { runs: Run[]; fresh: number } {
  if (!base || base.ids.length === 0) return { runs, fresh: 0 };
  const known = new Set(base.ids);
  const begins = runs.findIndex((r) => known.has(r.id));
  // Everything that was shown has been pushed away, or does not fit any more: the answer is all there is to show.
  if (begins < 0) return { runs, fresh: 0 };
  const fresh = runs.slice(0, begins).length;
  return { runs: runs.slice(begins), fresh: Math.max(fresh, fresh > 0 ? total - base.total : 0) };
}
