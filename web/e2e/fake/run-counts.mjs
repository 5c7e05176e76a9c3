// What GET /api/run-counts says of runs.
const iso = (ms) => new Date(ms).toISOString();
const kinds = { completed: "completed", failed: "failed", partial: "partial", cancelled: "cancelled" };
const none = () => ({ completed: 0, failed: 0, partial: 0, cancelled: 0, active: 0 });

export function countRuns(runs, hours) {
  const stepMs = hours <= 1 ? 120_000 : hours <= 6 ? 600_000 : hours <= 24 ? 1_800_000 : 14_400_000;
  const to = (Math.floor(Date.now() / stepMs) + 1) * stepMs;
  const from = to - hours * 3_600_000;
  const steps = Array.from({ length: (to - from) / stepMs }, none);
  const pipelines = new Map();
  let counted = 0;
  for (const run of runs) {
    const at = Date.parse(run.createdAt);
    if (at < from || at >= to) continue;
    const kind = kinds[run.status] ?? "active";
    counted++;
    steps[Math.floor((at - from) / stepMs)][kind]++;
    const of = pipelines.get(run.pipelineId) ?? { pipelineId: run.pipelineId, runs: none() };
    pipelines.set(run.pipelineId, of);
    of.runs[kind]++;
    if (kind === "failed" && !(of.lastFailed?.createdAt > run.createdAt))
      of.lastFailed = { id: run.id, error: run.error ?? "", createdAt: run.createdAt };
  }
  return {
    from: iso(from),
    to: iso(to),
    since: iso(from),
    stepMs,
    runs: counted,
    steps,
    pipelines: [...pipelines.values()].sort((a, b) => b.runs.failed - a.runs.failed),
  };
}
