import { expect, it } from "vitest";
import type { Host, QueueStatus, Rollout, RunCounts, Service } from "../../api/types.ts";
import { ailing, failing, givenUp, idle, stopped, stuck } from "./attention.ts";

const tally = (completed: number, failed: number) => ({ completed, failed, partial: 0, cancelled: 0, active: 0 });
const counts = (pipelines: RunCounts["pipelines"]): RunCounts => ({
  from: null,
  to: null,
  since: null,
  stepMs: 1,
  runs: 0,
  steps: [],
  pipelines,
});
const host = (name: string, more: Partial<Host>) =>
  ({ id: name, name, status: "online", warnings: [], ...more }) as Host;
const said = (concerns: { name?: string; text: string }[]) => concerns.map((c) => `${c.name ?? ""} ${c.text}`.trim());

it("groups failed runs by pipeline, and leads to the one or to all", () => {
  const lastFailed = { id: "prun_1", error: "first line\nsecond", createdAt: null };
  const found = failing(
    counts([
      { pipelineId: "a", runs: tally(7, 3), lastFailed },
      { pipelineId: "b", runs: tally(0, 1), lastFailed },
      { pipelineId: "c", runs: tally(9, 0) },
    ]),
  );
  expect(said(found)).toEqual(["a failed 3 of 10 times in the last day", "b failed in the last day"]);
  expect(found[0]?.detail).toBe("first line");
  expect(found[0]?.link.search).toEqual({ status: "failed", pipeline: "a", hours: 24 });
  expect(found[1]?.link.to).toBe("/runs/$id");
  const many = failing(counts(["a", "b", "c", "d", "e"].map((pipelineId) => ({ pipelineId, runs: tally(1, 1) }))));
  expect(said(many).at(-1)).toBe("2 more pipelines failed in the last day");
});

it("names a few hosts that are away, and counts many", () => {
  const away = ["a", "b", "c"].map((name) => host(name, { status: "offline", workers: 2 }));
  expect(said(ailing([...away, host("fine", {}), host("x", { warnings: ["the disk is nearly full"] })]))).toEqual([
    "a is offline",
    "b is offline",
    "c is offline",
    "x the disk is nearly full",
  ]);
  expect(said(ailing([...away, host("d", { status: "offline" })]))).toEqual(["4 hosts are offline"]);
  // Revoked hosts and those that never came are not missed; an offline one says nothing of today.
  expect(ailing([host("r", { status: "revoked", warnings: ["x"] }), host("n", { status: "never" })])).toEqual([]);
});

it("knows stopped rollouts, letters and services without workers", () => {
  const rollout = { id: "rol_1", program: "pipedai-worker", version: "2.0.0", reason: "1 host failed" };
  expect(
    said(stopped([{ ...rollout, status: "paused" } as Rollout, { ...rollout, status: "running" } as Rollout])),
  ).toEqual(["pipedai-worker 2.0.0 rolls out no further"]);
  expect(givenUp({ count: 0, newest: undefined }, 9)).toEqual([]);
  expect(said(givenUp({ count: 2, newest: undefined }, 9))).toEqual([
    "2 dead letters came in the last day, beside 7 older",
  ]);
  expect(said(idle([{ id: "a", health: "serving" } as Service, { id: "b", health: "unserved" } as Service]))).toEqual([
    "b is served by nobody; its tasks wait",
  ]);
});

it("tells a queue that does not move from one that is held", () => {
  const queue = { pending: 3, oldestPending: "2026-01-01T00:00:00.000Z" } as QueueStatus;
  const at = Date.parse("2026-01-01T00:00:00.000Z");
  const mode = { mode: "running", pendingTasks: 3, runningTasks: 1 } as const;
  const maintenance = { ...mode, canEnterMaintenance: false, modeChangedAt: null, message: "" };
  expect(stuck(queue, maintenance, at + 599_000)).toEqual([]);
  expect(said(stuck(queue, maintenance, at + 600_000))).toEqual(["A task waits for a long time, with 2 behind it"]);
  expect(said(stuck(queue, { ...maintenance, mode: "maintenance" }, at + 9e9))).toEqual([
    "Maintenance: no work is accepted",
  ]);
  expect(stuck({ ...queue, oldestPending: null }, undefined, at)).toEqual([]);
});
