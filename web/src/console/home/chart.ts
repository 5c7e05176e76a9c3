import type { RunTally } from "../../api/types.ts";

/** One coloured piece of a bar. */
export interface Piece {
  kind: keyof RunTally;
  y: number;
  height: number;
}

interface Bars {
  /** Where the pieces that failed hang from, and the others stand on. */
  axis: number;
  bars: Piece[][];
  /** How many runs the highest bar stands for, above the axis. */
  top: number;
}

const upwards = ["active", "completed", "partial", "cancelled"] as const;
/** What is there is seen, however little it is beside the rest. */
const least = 2;

/**
 * Lays out a bar for each step: what failed hangs below the axis, everything else stands on it, so that it is told apart
 * without colour. Both sides have one scale.
 */
export function barsOf(steps: readonly RunTally[], height: number): Bars {
  const up = (t: RunTally) => upwards.reduce((sum, kind) => sum + t[kind], 0);
  const top = Math.max(0, ...steps.map(up));
  const bottom = Math.max(0, ...steps.map((t) => t.failed));
  const unit = top + bottom > 0 ? height / (top + bottom) : 0;
  // A rare failure keeps room below the axis.
  const below = bottom > 0 ? Math.max(bottom * unit, least * 3) : 0;
  const axis = height - below;
  const scale = top > 0 ? Math.min(unit, axis / top) : unit;
  const bars = steps.map((t) => {
    const pieces: Piece[] = [];
    let y = axis;
    for (const kind of upwards) {
      if (t[kind] === 0) continue;
      const size = Math.min(y, Math.max(least, t[kind] * scale));
      y -= size;
      pieces.push({ kind, y, height: size });
    }
    if (t.failed > 0)
      pieces.push({
        kind: "failed",
        y: axis,
        height: Math.min(below, Math.max(least, t.failed * (below / Math.max(1, bottom)))),
      });
    return pieces;
  });
  return { axis, bars, top };
}

/** The sum of all steps. */
export function sumOf(steps: readonly RunTally[]): RunTally {
  const sum: RunTally = { completed: 0, failed: 0, partial: 0, cancelled: 0, active: 0 };
  for (const step of steps) for (const kind of [...upwards, "failed"] as const) sum[kind] += step[kind];
  return sum;
}
