import { expect, it } from "vitest";
import type { Rollout, RolloutTarget } from "../../api/types.ts";
import { countWords, doneOf, type StartForm, startCommand, startRequest, troubled, verbsOf } from "./rollout-words.ts";

const counts = {
  total: 10,
  waiting: 4,
  offline: 1,
  out: 1,
  succeeded: 3,
  failed: 2,
  refused: 0,
  withdrawn: 0,
  skipped: 0,
};
const rollout = (more: Partial<Rollout>) => ({ status: "running", kind: "upgrade", counts, ...more }) as Rollout;

it("sums a rollout up", () => {
  expect(countWords(counts)).toBe("10 hosts: 3 done, 2 failed, 1 under way, 3 waiting, 1 offline");
  expect(doneOf(counts)).toBe(0.5);
  expect(doneOf({ ...counts, total: 0 })).toBe(0);
});

it("offers what makes a difference", () => {
  expect(verbsOf(rollout({}))).toEqual({ pause: true, resume: false, retry: false, abort: true, rollback: true });
  expect(verbsOf(rollout({ status: "paused" }))).toMatchObject({ pause: false, resume: true, retry: true });
  expect(verbsOf(rollout({ status: "failed" }))).toMatchObject({ retry: true, resume: false, abort: false });
  expect(verbsOf(rollout({ status: "aborting" }))).toMatchObject({ pause: false, abort: false, rollback: false });
  expect(verbsOf(rollout({ kind: "rollback" })).rollback).toBe(false);
});

it("names the hosts a rollout stopped for, but not those that were forgiven", () => {
  const target = (host: string, state: string, forgiven = false) => ({ host, state, forgiven }) as RolloutTarget;
  const all = [target("a", "succeeded"), target("b", "failed"), target("c", "failed", true), target("d", "overdue")];
  expect(troubled(all).map((t) => t.host)).toEqual(["b", "d"]);
});

it("asks for what the form says, and says it as a command", () => {
  const form: StartForm = {
    program: "pipedai-worker",
    version: "1.4.0",
    channel: "",
    hosts: [],
    label: "",
    canary: 1,
    maxUnavailable: 2,
    maxFailures: 0,
    note: " ",
  };
  expect(startRequest(form)).toEqual({
    program: "pipedai-worker",
    version: "1.4.0",
    canary: 1,
    maxUnavailable: 2,
    maxFailures: 0,
  });
  expect(startCommand({ ...form, note: "it's time", hosts: ["hst_1"] }, ["build 7"])).toBe(
    "pipeweave rollouts start --program pipedai-worker --to 1.4.0 --hosts 'build 7' --canary 1 --max-unavailable 2 --max-failures 0 --note 'it'\\''s time'",
  );
});
