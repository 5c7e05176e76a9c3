import { expect, it } from "vitest";
import { knownKeys } from "./release-keys.tsx";

const rotation = (value: unknown) => ({
  payloadType: "application/vnd.pipedai.release-key-rotation+json",
  payload: btoa(JSON.stringify(value)),
  signatures: [],
});

it("walks from the first key to the one that signs today", () => {
  const at = "2026-11-20T10:00:00.000Z";
  expect(knownKeys({ first: "A", rotations: [rotation({ from: "A", to: "B", createdAt: at })] })).toEqual([
    { key: "B", since: at },
    { key: "A", since: null },
  ]);
});

it("says of a statement that it cannot be read, and goes on", () => {
  const broken = { payloadType: "x", payload: "%%%", signatures: [] };
  expect(knownKeys({ first: "A", rotations: [broken] })[0]?.key).toMatch(/cannot read/);
  expect(knownKeys({ rotations: null })).toEqual([]);
});
