// @vitest-environment happy-dom
import { act, cleanup, renderHook, waitFor } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";
import type { LogPage, LogQuery, LogSource } from "./source.ts";
import { useSearch } from "./use-search.ts";

afterEach(cleanup);

const nothing: LogPage = { lines: [], next: null, partial: false, gap: false, count: null, countPartial: false };

/** A log with three lines that fit, in which a count gets nowhere. */
const slow: LogSource = {
  empty: "",
  file: "",
  async page({ before = Number.POSITIVE_INFINITY, count }: LogQuery) {
    if (count) return { ...nothing, count: 0, countPartial: true };
    const pos = [30, 20, 10].find((at) => at < before);
    return pos === undefined ? nothing : { ...nothing, lines: [{ pos, at: null, text: "", mark: "out" }] };
  },
  download: () => Promise.resolve(new Blob()),
};

it("counts at least what it found, where the count did not get as far", async () => {
  const found: number[] = [];
  const wanted = { find: "x" };
  const { result } = renderHook(() => useSearch(slow, wanted, (pos) => found.push(pos)));
  for (const [pos, total] of [
    [30, 1],
    [20, 2],
    [10, 3],
  ]) {
    act(() => result.current.step("older"));
    await waitFor(() => expect(found.at(-1)).toBe(pos));
    await waitFor(() => expect(result.current).toMatchObject({ total, atLeast: true, nth: null, busy: false }));
  }
});
