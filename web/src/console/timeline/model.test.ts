import { describe, expect, it } from "vitest";
import type { TaskRun } from "../../api/types.ts";
import { fold, onlyAttempt, type Row, rangeOf, rowsOf, ticks, zoom } from "./model.ts";

const start = Date.UTC(2026, 10, 20, 9);
const at = (ms: number) => new Date(start + ms).toISOString();
const day = 86_400_000;

const run = (more: Partial<TaskRun>): TaskRun => ({
  id: "trun_1",
  taskId: "a",
  status: "completed",
  codeVersion: 1,
  codeHash: "",
  codeChanged: false,
  firstRun: false,
  attempt: 1,
  maxRetries: 3,
  priority: 100,
  inputPath: "",
  upstreamRefs: {},
  previousAttempts: [],
  scheduledAt: null,
  startedAt: null,
  completedAt: null,
  lastHeartbeat: null,
  createdAt: at(0),
  metadata: {},
  ...more,
});
const kinds = (rows: Row[]) =>
  rows[0]?.segments.map((s) => [s.kind, s.from - start, s.to === null ? null : s.to - start]);

describe("rowsOf", () => {
  it("tells waiting, queued, running and backoff apart", () => {
    const rows = rowsOf(
      [{ id: "a", state: "completed" }],
      [
        run({
          createdAt: at(1_000),
          attempt: 2,
          previousAttempts: [
            { attempt: 1, error: "no", startedAt: at(1_500), timestamp: at(3_000), retryAt: at(4_000) },
            { attempt: 2, error: "the last one stands in the row itself", timestamp: at(9_000) },
          ],
          scheduledAt: at(4_000),
          startedAt: at(4_200),
          completedAt: at(5_000),
        }),
      ],
      start,
      null,
    );
    expect(kinds(rows)).toEqual([
      ["waiting", 0, 1_000],
      ["queued", 1_000, 1_500],
      ["running", 1_500, 3_000],
      ["backoff", 3_000, 4_000],
      ["queued", 4_000, 4_200],
      ["running", 4_200, 5_000],
    ]);
    expect(rows[0]?.attempts).toBe(2);
  });

  it("shows an attempt of an older engine, which noted only its end", () => {
    const rows = rowsOf(
      [{ id: "a", state: "running" }],
      [run({ attempt: 2, previousAttempts: [{ attempt: 1, error: "no", timestamp: at(100) }], startedAt: at(300) })],
      start,
      null,
    );
    expect(kinds(rows)).toEqual([
      ["running", 0, 100],
      ["queued", 100, 300],
      ["running", 300, null],
    ]);
  });

  it("counts the attempts of a replay on", () => {
    const rows = rowsOf(
      [{ id: "a", state: "completed" }],
      [
        run({ id: "2", createdAt: at(3 * day), startedAt: at(3 * day + 5), completedAt: at(3 * day + 900) }),
        run({ id: "1", status: "failed", supersededBy: "2", startedAt: at(5), completedAt: at(500) }),
      ],
      start,
      null,
    );
    expect(rows[0]?.segments.map((s) => s.attempt)).toEqual([1, 1, 2, 2]);
  });
});

it("X6: attempts that are days apart: one of them has an axis of its own", () => {
  const rows = rowsOf(
    [{ id: "a", state: "completed" }],
    [
      run({ id: "1", status: "failed", startedAt: at(5), completedAt: at(500) }),
      run({ id: "2", createdAt: at(3 * day), startedAt: at(3 * day + 5), completedAt: at(3 * day + 900) }),
    ],
    start,
    null,
  );
  expect(rangeOf(rows, 0)).toEqual({ from: start, to: start + 3 * day + 900 });
  expect(rangeOf(onlyAttempt(rows, 2), 0)).toEqual({ from: start + 3 * day, to: start + 3 * day + 900 });
  expect(rangeOf(onlyAttempt(rows, "last"), 0)).toEqual({ from: start + 3 * day, to: start + 3 * day + 900 });
});

describe("fold", () => {
  const many = (n: number, name: (i: number) => string): Row[] =>
    Array.from({ length: n }, (_, i) => ({
      id: name(i),
      state: i === 7 ? "failed" : "completed",
      segments: [{ kind: "running", from: i, to: i + 10, attempt: 1, end: i === 7 ? "failed" : "completed" }],
      attempts: 1,
      size: 1,
      failed: i === 7 ? 1 : 0,
    }));

  it("leaves as many as can be shown alone", () => {
    expect(fold(many(5_000, (i) => `page-${i}`)).rows).toHaveLength(5_000);
  });

  it("X5: puts 10,000 tasks together by their names", () => {
    const { rows, members } = fold(many(10_000, (i) => `page-${i}`));
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ id: "page", size: 10_000, failed: 1, state: "failed" });
    expect(rows[0]?.segments).toHaveLength(1);
    expect(members.get("page")).toHaveLength(10_000);
  });

  it("and by hundreds where the names do not help", () => {
    expect(fold(many(10_000, (i) => `x${i}y`)).rows).toHaveLength(100);
  });
});

it("marks round times", () => {
  expect(ticks({ from: start + 1, to: start + 10_000 }, 5).map((t) => t - start)).toEqual([
    2_000, 4_000, 6_000, 8_000, 10_000,
  ]);
  for (const span of [12, 900, 45_000, 7 * day]) {
    const marks = ticks({ from: start, to: start + span }, 8);
    expect(marks.length).toBeGreaterThan(1);
    expect(marks.length).toBeLessThan(10);
  }
});

it("zooms inside of what there is", () => {
  expect(zoom({ from: 0, to: 1_000 }, 0.5, { from: 0, to: 1_000 })).toEqual({ from: 250, to: 750 });
  expect(zoom({ from: 0, to: 100 }, 4, { from: 0, to: 200 })).toEqual({ from: 0, to: 200 });
});
