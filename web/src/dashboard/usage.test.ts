import { expect, it } from "vitest";
import { evenly, type Usage, withHistory, withSample } from "./usage.ts";

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
  expect(list.length).toBe(240);
  expect(list.at(-1)?.seconds).toBe(499);
});

it("puts what the daemon remembers before what the page has seen, once", () => {
  const own = add(add([], 100_000, 20), 105_000, 21);
  const told = [40_000, 70_000, 100_000].map((ts, n) => ({ ts, pid: 7, memoryBytes: 5, cpuSeconds: 10 + 3 * n }));
  const all = withHistory(own, told);
  expect(all.map((u) => u.at)).toEqual([40_000, 70_000, 100_000, 105_000]);
  expect(all.map((u) => u.cpu)).toEqual([null, 0.1, null, 0.2]);
  expect(withHistory(all, told)).toBe(all);
});

it("draws evenly what was measured unevenly, with a gap where nothing was", () => {
  const at = (ms: number, memory: number): Usage => ({ at: ms, memory, cpu: null, seconds: null, pid: 7 });
  const curve = evenly([at(0, 1), at(30_000, 2), at(300_000, 3), at(600_000, 4)], (u) => u.memory);
  expect(curve.length).toBe(61);
  expect([curve[0], curve[3], curve[10], curve[20], curve[30], curve[60]]).toEqual([1, 2, 2, null, 3, 4]);
  expect(evenly([at(0, 1), at(5_000, 1)], (u) => u.memory)).toEqual([]);
});
