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
  expect(verbs(worker(local({})))).toEqual({ start: null, stop: true });
  expect(verbs(worker(local({ state: "backing-off" })))).toEqual({ start: "Start now", stop: true });
  expect(verbs(worker(local({ state: "crashed" })))).toEqual({ start: "Start", stop: false });
  expect(verbs(worker(null))).toEqual({ start: "Start", stop: false });
  expect(verbs(worker(local({ draining: true }), false))).toEqual({ start: "Start again", stop: false });
});

it("says how a process ended", () => {
  expect(exitText(local({}))).toBeNull();
  expect(exitText(local({ lastExit: { code: 2, signal: null, at: 1 } }))).toBe("ended with code 2");
  expect(exitText(local({ lastExit: { code: null, signal: "SIGKILL", at: 1 } }))).toBe("ended by SIGKILL");
  expect(exitText(local({ lastError: "no such file", lastExit: { code: null, signal: null, at: 1 } }))).toBe(
    "could not be started",
  );
});
