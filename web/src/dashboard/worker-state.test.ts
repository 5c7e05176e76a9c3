import { expect, it } from "vitest";
import type { FusedWorker, LocalStatus } from "../api/types.ts";
import { exitText, localWord, remoteWord, verbs } from "./worker-state.ts";

const local = (more: Partial<LocalStatus>): LocalStatus => ({
  id: "w",
  state: "running",
  pid: 1,
  startedAt: 1,
  restarts: 0,
  lastExit: null,
  draining: false,
  nextStartAt: null,
  totalRestarts: 0,
  reattached: false,
  logBytes: 0,
  logDropped: 0,
  memoryBytes: null,
  cpuSeconds: null,
  ...more,
});
const worker = (l: LocalStatus | null, running = true) => ({ local: l, running }) as FusedWorker;

it("tells a drain from a run", () => {
  expect(localWord(local({}))).toBe("up");
  expect(localWord(local({ draining: true }))).toBe("draining");
  expect(localWord(null)).toBe("stopped");
});

it("derives the remote word where the server does not", () => {
  const remote = { status: "online", currentRunId: null, version: null, lastSeenAt: null, disabled: false };
  expect(remoteWord(remote)).toBe("online");
  expect(remoteWord({ ...remote, currentRunId: "r" })).toBe("busy");
  expect(remoteWord({ ...remote, currentRunId: "r", disabled: true })).toBe("disabled");
  expect(remoteWord({ ...remote, status: "stale" })).toBe("offline");
  expect(remoteWord({ ...remote, derivedStatus: "busy", disabled: true })).toBe("busy");
});

it("offers what makes sense", () => {
  expect(verbs(worker(local({})))).toMatchObject({ start: null, stop: true });
  expect(verbs(worker(local({ state: "backing-off" })))).toMatchObject({ start: "Start now", stop: true });
  expect(verbs(worker(local({ state: "crashed" })))).toMatchObject({ start: "Start", stop: false });
  expect(verbs(worker(null))).toMatchObject({ start: "Start", stop: false });
  expect(verbs(worker(local({ draining: true }), false))).toMatchObject({ start: "Start again", stop: false });
});

it("offers to switch a worker's work the way it is not, and never that of a pool", () => {
  const w = { ...worker(local({})), enabled: true, remote: null, mode: "workspace" } as FusedWorker;
  const remote = { status: "online", currentRunId: null, version: null, lastSeenAt: null, disabled: true };
  expect(verbs(w).work).toBe("disable");
  expect(verbs({ ...w, enabled: false }).work).toBe("enable");
  expect(verbs({ ...w, remote }).work).toBe("enable"); // an operator did it; this host heard of it
  expect(verbs({ ...w, mode: "pool" }).work).toBeNull();
});

it("says how a process ended", () => {
  expect(exitText(local({}))).toBeNull();
  expect(exitText(local({ lastExit: { code: 2, signal: null, at: 1 } }))).toBe("ended with code 2");
  expect(exitText(local({ lastExit: { code: null, signal: "SIGKILL", at: 1 } }))).toBe("ended by SIGKILL");
  expect(exitText(local({ lastError: "no such file", lastExit: { code: null, signal: null, at: 1 } }))).toBe(
    "could not be started",
  );
});
