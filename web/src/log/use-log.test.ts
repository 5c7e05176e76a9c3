// @vitest-environment happy-dom
import { cleanup, renderHook, waitFor } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";
import type { Line, LogSource } from "./source.ts";
import { useLog } from "./use-log.ts";

afterEach(cleanup);

const line = (pos: number): Line => ({ pos, at: null, text: `line ${pos}`, mark: "out" });
const source: LogSource = {
  empty: "",
  file: "",
  page: async ({ before, after }) => ({
    lines:
      before === undefined && after === undefined
        ? [line(900)]
        : [line(after === undefined ? (before ?? 0) - 1 : after + 1)],
    next: null,
    partial: false,
    gap: false,
    count: null,
    countPartial: false,
  }),
  download: () => Promise.resolve(new Blob()),
};

it("goes to a line that was found while the filter became another one", async () => {
  const { result, rerender } = renderHook(({ find }) => useLog(source, find, null), {
    initialProps: { find: { find: "a" } },
  });
  await waitFor(() => expect(result.current.lines).toEqual([line(900)]));
  const { to } = result.current; // what a search holds that is under way
  rerender({ find: { find: "b" } });
  to(42);
  await waitFor(() => expect(result.current.lines).toContainEqual(line(42)));
  expect(result.current).toMatchObject({ target: 42, jumps: 1 });
});
