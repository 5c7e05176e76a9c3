import { expect, it } from "vitest";
import type { HostEvent, Operation } from "../../api/types.ts";
import { eventDetail, eventState, eventTitle, operationTitle } from "./words.ts";

const event = (type: string, data: HostEvent["data"] = {}): HostEvent => ({ seq: 1, at: "", type, data });

it("says what happened and how bad it is", () => {
  const said = (e: HostEvent) => [eventTitle(e), eventDetail(e), eventState(e)];
  expect(said(event("worker.exited", { code: 1, reason: "exit 1" }))).toEqual(["ended", "exit 1 · code 1", "warning"]);
  expect(said(event("worker.exited", { code: 0 }))).toEqual(["ended", "code 0", "stopped"]);
  expect(said(event("action.stop", { by: "cli" }))).toEqual(["stop was asked", "by cli", "inactive"]);
  expect(said(event("action.stop", { by: "cli", error: "refused" }))[2]).toBe("error");
  expect(said(event("operation.failed", { kind: "upgrade", error: "no" }))).toEqual(["Upgrade: failed", "no", "error"]);
  expect(said(event("connectivity.changed", { from: "online", to: "offline" }))[2]).toBe("offline");
});

it("takes what a newer daemon says as it is", () => {
  expect(eventTitle(event("moon.risen"))).toBe("moon.risen");
  expect(eventDetail(event("moon.risen", ["x"]))).toBe("");
  const op = { kind: "polish", workerId: "w1", upgrade: { to: "1.2.3" } } as Operation;
  expect(operationTitle(op, (id) => id.toUpperCase())).toBe("polish W1 to 1.2.3");
});
