import { expect, it } from "vitest";
import { absolute, clock, inZone, knownZone, zones } from "./zone.ts";

const at = Date.UTC(2026, 2, 29, 0, 59, 59, 7);

it("tells one instant in each zone, across the change of the clocks", () => {
  expect(clock(at, "UTC")).toBe("00:59:59.007");
  expect(clock(at, "Asia/Kolkata")).toBe("06:29:59.007");
  expect(inZone(at, "Europe/Berlin", "minute")).toBe("01:59");
  expect(inZone(at + 1_000, "Europe/Berlin", "minute")).toBe("03:00");
  expect(absolute(at, "UTC")).toMatch(/UTC/);
});

it("knows which zones there are", () => {
  expect(zones()[0]).toBe("UTC");
  expect(zones().filter((name) => name === "UTC")).toHaveLength(1);
  expect(knownZone("Mars/Olympus")).toBe(false);
  expect(knownZone("local")).toBe(true);
});
