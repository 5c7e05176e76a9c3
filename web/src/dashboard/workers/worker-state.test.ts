import { expect, it } from "vitest";
import type { FusedWorker, LocalStatus } from "../../api/types.ts";
import { exitText, localWord, nameOf, remoteWord, searched, sorted, verbs } from "./worker-state.ts";

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

const one = (more: Partial<FusedWorker>) =>
  ({ label: "", id: "w", local: local({}), remote: null, ...more }) as FusedWorker;
const crowd = [
  one({ id: "w10", label: "Pdf-10", workerVersion: "1.10.0", local: local({ memoryBytes: 10, totalRestarts: 1 }) }),
  one({ id: "w2", label: "pdf-2", workerVersion: "1.9.0", versionStale: true, local: local({ state: "crashed" }) }),
  one({ id: "w3", label: "mail", local: local({ memoryBytes: 90, totalRestarts: 7 }), currentRunId: "trun_9" }),
];
const names = (list: FusedWorker[]) => list.map(nameOf).join(" ");

it("puts workers in an order, numbers by their value and the most urgent first", () => {
  expect(names(sorted(crowd, "host", false))).toBe("Pdf-10 pdf-2 mail");
  expect(names(sorted(crowd, "name", false))).toBe("mail pdf-2 Pdf-10");
  expect(names(sorted(crowd, "name", true))).toBe("Pdf-10 pdf-2 mail");
  expect(names(sorted(crowd, "state", false))).toBe("pdf-2 Pdf-10 mail");
  expect(names(sorted(crowd, "version", false))).toBe("mail pdf-2 Pdf-10");
  expect(names(sorted(crowd, "restarts", false))).toBe("mail Pdf-10 pdf-2");
  expect(names(sorted(crowd, "memory", false))).toBe("mail Pdf-10 pdf-2");
});

it("finds workers by every word that was typed, wherever it stands", () => {
  expect(names(searched(crowd, "PDF"))).toBe("Pdf-10 pdf-2");
  expect(names(searched(crowd, "pdf crashed"))).toBe("pdf-2");
  expect(names(searched(crowd, "trun_9"))).toBe("mail");
  expect(names(searched(crowd, "behind"))).toBe("pdf-2");
  expect(searched(crowd, " ")).toBe(crowd);
  expect(searched(crowd, "nothing")).toEqual([]);
});
