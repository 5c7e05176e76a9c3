import { expect, it } from "vitest";
import type { WorkerSettings } from "../../api/types.ts";
import { changeOf, draftOf, parseDuration, parseSize, writeDuration, writeSize } from "./settings-form.ts";

const settings: WorkerSettings = {
  dir: "/srv/w",
  env: [],
  authMode: "claude-max",
  stopGraceMs: 300_000,
  restart: { backoffMs: [1_000, 5_000], stableMs: 60_000, budget: 10, finalCodes: [78] },
  limits: { memoryBytes: 2 * 2 ** 30, cpu: 1.5, pids: 0, nofile: 0 },
};
const before = draftOf(settings);

it("reads what it writes", () => {
  for (const ms of [1, 999, 1_500, 60_000, 90_000, 3_600_000]) expect(parseDuration(writeDuration(ms))).toBe(ms);
  for (const bytes of [1, 1_024, 1_500, 2 ** 21, 3 * 2 ** 30]) expect(parseSize(writeSize(bytes))).toBe(bytes);
  expect(parseDuration("1h 30m")).toBe(5_400_000);
  expect(parseSize("1.5g")).toBe(1.5 * 2 ** 30);
  expect([parseDuration(""), parseDuration("5"), parseDuration("-1s"), parseSize("2 gallons")]).toEqual([
    null,
    null,
    null,
    null,
  ]);
});

it("asks for nothing that was not changed", () => {
  expect(changeOf(before, { ...before })).toEqual({ change: {}, problems: {} });
  expect(before).toMatchObject({ memory: "2GiB", cpu: "1.5", pids: "", stopGrace: "5m", backoff: "1s, 5s" });
});

it("brings defaults back for what was emptied", () => {
  const { change } = changeOf(before, { ...before, memory: "", stopGrace: "", backoff: "", finalCodes: "", dir: "" });
  expect(change).toEqual({
    dir: "",
    stopGraceMs: 0,
    limits: { memoryBytes: 0 },
    restart: { backoffMs: [], finalCodes: [] },
  });
});

it("says what is wrong and asks for the rest as typed", () => {
  const { change, problems } = changeOf(before, {
    ...before,
    cpu: "two",
    pids: "300",
    restarts: "-1",
    backoff: "1s, later",
  });
  expect(Object.keys(problems)).toEqual(["cpu", "backoff"]);
  expect(change).toEqual({ limits: { pids: 300 }, restart: { budget: -1 } });
});
