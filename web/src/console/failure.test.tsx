// @vitest-environment happy-dom
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ApiError } from "../api/client.ts";
import type { RunDetail, TaskRun } from "../api/types.ts";
import { deriveGraph, failedNodes } from "../lib/graph-state.ts";
import { RunFailure } from "./failure.tsx";
import { client } from "./server.ts";

const get = vi.spyOn(client, "get");

beforeEach(() => {
  get.mockReset();
  get.mockImplementation(async (path) => ({ items: [{ pos: 0, at: null, level: "error", text: `from ${path}` }] }));
});
afterEach(cleanup);

function task(taskId: string, more: Partial<TaskRun>): TaskRun {
  return {
    id: `trun_${taskId}`,
    taskId,
    status: "failed",
    attempt: 1,
    maxRetries: 3,
    previousAttempts: [],
    ...more,
  } as TaskRun;
}

function show(tasks: TaskRun[], more: Partial<RunDetail> = {}) {
  const structure = Object.fromEntries(tasks.map((t) => [t.taskId, { allowedNext: [] }]));
  const run = {
    id: "prun_1",
    status: "failed",
    failureMode: "continue",
    tasks,
    structureSnapshot: structure,
    ...more,
  } as RunDetail;
  const graph = deriveGraph({ structure, entryTasks: Object.keys(structure), tasks, status: run.status });
  const onOpen = vi.fn();
  const onShow = vi.fn();
  render(
    <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
      <RunFailure run={run} failed={failedNodes(graph)} onOpen={onOpen} onShow={onShow} />
    </QueryClientProvider>,
  );
  return { onOpen, onShow };
}

it("says which task failed, at which attempt and with what, shows the end of its log and what to type", async () => {
  const { onOpen } = show([
    task("fetch", { status: "completed" }),
    task("check", {
      error: "row 7 has no amount",
      errorCode: "BAD_ROW",
      attempt: 4,
      logsPath: "runs/prun_1/logs/trun_check.4.jsonl",
    }),
  ]);
  const panel = screen.getByRole("region", { name: "What failed" });
  expect(panel.textContent).toContain("at attempt 4 of 4,");
  expect(panel.textContent).toContain("row 7 has no amount");
  expect(panel.textContent).toContain("BAD_ROW");
  expect(panel.textContent).toContain("pipeweave status prun_1");
  await screen.findByText("from /api/task-runs/trun_check/logs?limit=20");
  fireEvent.click(screen.getByRole("button", { name: "Open the task" }));
  expect(onOpen).toHaveBeenCalledExactlyOnceWith("check");
});

it("leads to the line of the log that tells of the error, and to the events where there is no log", async () => {
  get.mockResolvedValueOnce({
    items: [
      { pos: 0, at: null, level: "info", text: "begins" },
      { pos: 40, at: null, level: "error", text: "it broke" },
      { pos: 90, at: null, level: "info", text: "ends" },
    ],
    more: true,
  });
  const { onShow } = show([task("check", { logsPath: "runs/x.jsonl" })]);
  fireEvent.click(await screen.findByRole("button", { name: "Open the log at the error" }));
  expect(onShow).toHaveBeenCalledExactlyOnceWith("logs", "check", 40);
  cleanup();
  const second = show([task("check", {})]);
  fireEvent.click(screen.getByRole("button", { name: "events" }));
  expect(second.onShow).toHaveBeenCalledExactlyOnceWith("events", "check");
});

it("says that no other attempt was made where there could have been one", () => {
  show([task("check", { attempt: 1, maxRetries: 3 })]);
  expect(screen.getByText(/at attempt 1 of 4, not retried/)).toBeTruthy();
});

it("begins with what failed first, and does not list hundreds", () => {
  const at = (n: number) => `2026-11-22T01:00:${String(n).padStart(2, "0")}.000Z`;
  show(Array.from({ length: 9 }, (_, n) => task(`t${n}`, { completedAt: at(30 - n) })));
  expect(screen.getAllByRole("strong").map((e) => e.textContent)).toEqual(["t8", "t7", "t6", "t5", "t4"]);
  expect(screen.getByText("4 more tasks failed after these.")).toBeTruthy();
});

it("shows the rest when the log cannot be read", async () => {
  get.mockRejectedValue(new ApiError("File not found", { status: 404 }));
  show([task("check", { error: "boom", logsPath: "runs/x.jsonl" })]);
  await screen.findByText("The log could not be loaded");
  expect(screen.getByText("boom")).toBeTruthy();
});

it("gives the run's own reason when no task failed", () => {
  show([task("fetch", { status: "cancelled" })], { error: "cancelled by admin", status: "cancelled" });
  expect(screen.getByText("cancelled by admin")).toBeTruthy();
});
