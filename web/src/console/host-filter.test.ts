import { expect, it } from "vitest";
import type { Host } from "../api/types.ts";
import { drainOf, showsHost } from "./host-filter.ts";

const host = (more: Partial<Host>): Host => ({
  id: "hst_1",
  name: "build-07",
  os: "linux",
  arch: "arm64",
  version: "1.2.0",
  capabilities: [],
  status: "online",
  lastSeenAt: null,
  clockSkewMs: 0,
  registeredAt: null,
  revokedAt: null,
  paused: null,
  workers: 3,
  busy: 0,
  disabled: 0,
  warnings: [],
  workspaceId: "ws_default",
  ...more,
});
const pause = { since: null, until: null };

it("shows revoked hosts only where they are asked for", () => {
  const gone = host({ status: "revoked", warnings: ["x"], version: "1.0.0" });
  expect(showsHost(gone, {}, "1.2.0")).toBe(false);
  expect(showsHost(gone, { state: "warning" }, "1.2.0")).toBe(false);
  expect(showsHost(gone, { state: "behind" }, "1.2.0")).toBe(false);
  expect(showsHost(gone, { state: "revoked" }, "1.2.0")).toBe(true);
});

it("finds by every word, in name, note and facts", () => {
  const h = host({ note: "under the desk" });
  expect(showsHost(h, { q: "BUILD desk" }, undefined)).toBe(true);
  expect(showsHost(h, { q: "arm64" }, undefined)).toBe(true);
  expect(showsHost(h, { q: "build attic" }, undefined)).toBe(false);
  expect(showsHost(h, { os: "darwin" }, undefined)).toBe(false);
});

it("filters by pause, warnings and age of version", () => {
  expect(showsHost(host({ paused: pause }), { state: "paused" }, undefined)).toBe(true);
  expect(showsHost(host({}), { state: "paused" }, undefined)).toBe(false);
  expect(showsHost(host({ warnings: ["its clock is off"] }), { state: "warning" }, undefined)).toBe(true);
  expect(showsHost(host({}), { state: "behind" }, "1.3.0")).toBe(true);
  expect(showsHost(host({}), { state: "behind" }, "1.2.0")).toBe(false);
});

it("is drained when it is paused and nothing is in hand", () => {
  expect(drainOf(host({ busy: 2 }))).toBeNull();
  expect(drainOf(host({ paused: pause, busy: 2 }))).toEqual({ left: 2, of: 3, done: false });
  expect(drainOf(host({ paused: pause }))?.done).toBe(true);
  expect(drainOf(host({ paused: pause, status: "revoked" }))).toBeNull();
});
