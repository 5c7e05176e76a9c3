import { expect, it } from "vitest";
import { type Usage, withSample } from "./usage.ts";

const add = (list: readonly Usage[], at: number, seconds: number | null, pid: number | null = 7) =>
  withSample(list, at, 1_000, seconds, pid);

it("makes processors in use of the seconds that a process has taken", () => {
  let list = add([], 0, 10);
  list = add(list, 5_000, 12.5);
  list = add(list, 15_000, 12.5);
  expect(list.map((u) => u.cpu)).toEqual([null, 0.5, 0]);
});

it("begins anew with another process", () => {
  let list = add([], 0, 10);
  list = add(list, 5_000, 1, 8);
  list = add(list, 10_000, 2, 8);
  list = add(list, 15_000, null, null);
  list = add(list, 20_000, 4, 9);
  expect(list.map((u) => u.cpu)).toEqual([null, null, 0.2, null, null]);
});

it("takes one of many frames that come together, and keeps no more than it shows", () => {
  let list = add([], 0, 10);
  expect(add(list, 200, 10.1)).toBe(list);
  for (let n = 1; n < 500; n++) list = add(list, n * 5_000, n);
  expect(list.length).toBe(120);
  expect(list.at(-1)?.seconds).toBe(499);
});
