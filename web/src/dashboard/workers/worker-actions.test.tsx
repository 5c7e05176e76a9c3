// @vitest-environment happy-dom
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ApiError } from "../../api/client.ts";
import type { ActionResult, FusedWorker, LocalStatus } from "../../api/types.ts";
import { Toaster } from "../../ui/toast.tsx";
import { act, upgrade } from "../actions.ts";
import { WorkerActions } from "./worker-actions.tsx";

vi.mock("../actions.ts", () => ({ act: vi.fn(), upgrade: vi.fn() }));
const acted = vi.mocked(act);

beforeEach(() => {
  acted.mockReset();
});
afterEach(cleanup);

function show(more: Partial<FusedWorker> = {}, local: Partial<LocalStatus> = {}, frozen = false) {
  const worker = {
    id: "wrk_1",
    label: "build-box",
    mode: "workspace",
    local: { state: "running", draining: false, ...local },
    remote: null,
    busy: false,
    currentRunId: null,
    running: true,
    enabled: true,
    previousPin: null,
    upgrade: null,
    ...more,
  } as FusedWorker;
  render(
    <QueryClientProvider client={new QueryClient()}>
      <WorkerActions worker={worker} frozen={frozen} />
      <Toaster />
    </QueryClientProvider>,
  );
}

/** An answer of the daemon that comes when the test says so. */
function answer() {
  let settle: { yes: (more?: Partial<ActionResult>) => void; no: (cause: unknown) => void } | undefined;
  acted.mockImplementationOnce(
    (id, action) =>
      new Promise((resolve, reject) => {
        settle = { yes: (more) => resolve({ id, action, ok: true, ...more }), no: reject };
      }),
  );
  return { yes: (more?: Partial<ActionResult>) => settle?.yes(more), no: (cause: unknown) => settle?.no(cause) };
}

const button = (name: string) => screen.getByRole<HTMLButtonElement>("button", { name });

it("shows that an action is under way, and lets no other begin until it is over", async () => {
  const daemon = answer();
  show();
  fireEvent.click(button("Disable build-box"));
  await screen.findByText("Disabling…");
  expect(acted).toHaveBeenCalledExactlyOnceWith("wrk_1", "disable");
  // The one that is under way keeps the focus, and does nothing.
  expect(button("Disable build-box").getAttribute("aria-disabled")).toBe("true");
  fireEvent.click(button("Disable build-box"));
  for (const name of ["Stop build-box", "Delete build-box"]) expect(button(name).disabled).toBe(true);
  daemon.yes();
  await screen.findByText("build-box gets no more work");
  expect(acted).toHaveBeenCalledOnce();
  await waitFor(() => expect(button("Stop build-box").disabled).toBe(false));
});

it("says in the row what was refused, why and what helps, until the next try", async () => {
  const daemon = answer();
  show({ enabled: false });
  fireEvent.click(button("Enable build-box"));
  await screen.findByText("Enabling…");
  daemon.no(
    new ApiError("the control plane did not answer", { status: 502, fix: "try again later", requestId: "req_7" }),
  );
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toBe("Enable failed. the control plane did not answer. try again later. Request req_7");
  const second = answer();
  fireEvent.click(button("Enable build-box"));
  await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
  second.yes();
  await screen.findByText("build-box gets work again");
});

it("does not call a worker stopped that still drains", async () => {
  const daemon = answer();
  show();
  fireEvent.click(button("Stop build-box"));
  await screen.findByText("Stopping…");
  daemon.yes({ draining: true });
  await screen.findByText(/^build-box is draining/);
  expect(screen.queryByText("build-box was stopped")).toBeNull();
});

it("asks before it stops a worker with a run in hand", async () => {
  show({ busy: true, currentRunId: "trun_1" });
  fireEvent.click(button("Stop build-box"));
  expect(acted).not.toHaveBeenCalled();
  const dialog = screen.getByRole("dialog", { name: "Stop build-box?" });
  expect(dialog.textContent).toContain("trun_1");
  answer();
  fireEvent.click(within(dialog).getByRole("button", { name: "Drain and stop" }));
  await screen.findByText("Stopping…");
  expect(acted).toHaveBeenCalledExactlyOnceWith("wrk_1", "stop");
});

it("deletes only when the name was typed", async () => {
  show();
  fireEvent.click(button("Delete build-box"));
  const dialog = screen.getByRole("dialog", { name: "Delete build-box?" });
  const go = within(dialog).getByRole<HTMLButtonElement>("button", { name: "Delete the worker" });
  const field = within(dialog).getByRole("textbox");
  expect(go.disabled).toBe(true);
  fireEvent.change(field, { target: { value: "build-bo" } });
  fireEvent.submit(field);
  expect(acted).not.toHaveBeenCalled();
  const daemon = answer();
  fireEvent.change(field, { target: { value: "build-box" } });
  fireEvent.submit(field);
  await screen.findByText("Deleting…");
  expect(acted).toHaveBeenCalledExactlyOnceWith("wrk_1", "delete");
  daemon.yes();
  await screen.findByText("build-box was deleted");
});

it("offers nothing that cannot work", () => {
  show({ mode: "pool" }, {}, true);
  expect(screen.queryByRole("button", { name: /^(Enable|Disable|Delete|Upgrade|Roll back)/ })).toBeNull();
  expect(button("Stop build-box").disabled).toBe(true);
});

it("asks before it upgrades, and says from what to what", async () => {
  show({ versionStale: true, workerVersion: "1.0.0", latestWorkerVersion: "1.1.0", previousPin: "" });
  expect(button("Roll back build-box").disabled).toBe(false);
  fireEvent.click(button("Upgrade build-box"));
  const dialog = screen.getByRole("dialog", { name: "Upgrade build-box?" });
  expect(dialog.textContent).toContain("From 1.0.0 to 1.1.0");
  vi.mocked(upgrade).mockResolvedValueOnce({
    action: "upgrade",
    ok: true,
    target: "",
    durationMs: 1,
    oldVersion: null,
  });
  fireEvent.click(within(dialog).getByRole("button", { name: "Upgrade to 1.1.0" }));
  await screen.findByText("The upgrade of build-box has begun");
  expect(upgrade).toHaveBeenCalledExactlyOnceWith("wrk_1", { version: "latest" });
});

it("says of each action that ends something how many runs are in flight", () => {
  show({ busy: true, currentRunId: "trun_1" });
  for (const [verb, title] of [
    ["Restart", "Restart build-box?"],
    ["Disable", "Disable build-box?"],
    ["Delete", "Delete build-box?"],
  ]) {
    fireEvent.click(button(`${verb} build-box`));
    const dialog = screen.getByRole("dialog", { name: title as string });
    expect(dialog.textContent).toContain("One run is in flight: trun_1");
    fireEvent.click(within(dialog).getByRole("button", { name: "Keep as it is" }));
  }
  expect(acted).not.toHaveBeenCalled();
});
