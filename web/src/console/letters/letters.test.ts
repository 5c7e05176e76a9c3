import { expect, it } from "vitest";
import type { DeadLetter } from "../../api/types.ts";
import { fingerprint, groupLetters } from "./letters.ts";

it("sees what errors have in common", () => {
  const same = [
    'page 3 of "a.pdf": object 12 0 is not a stream',
    'page 14 of "b.pdf": object 9 0 is not a stream\n  at extract (12:3)',
  ];
  expect(new Set(same.map(fingerprint)).size).toBe(1);
  expect(fingerprint("dial tcp 10.0.0.7:8080: refused")).toBe(fingerprint("dial tcp 10.0.0.12:80: refused"));
  expect(fingerprint("run trun_0192f3c4da7b8 gone")).toBe(fingerprint("run trun_0192f3c4da7ff gone"));
  expect(fingerprint("not a stream")).not.toBe(fingerprint("not a table"));
});

it("groups by task and error, the largest first", () => {
  const letter = (id: string, taskId: string, error: string, failedAt: string): DeadLetter => ({
    id,
    taskRunId: `trun_${id}`,
    taskId,
    codeVersion: 1,
    codeHash: "",
    error,
    attempts: 1,
    previousAttempts: [],
    inputPath: "",
    input: null,
    upstreamRefs: {},
    failedAt,
    retriedAt: null,
  });
  const groups = groupLetters([
    letter("1", "a", "page 1", "2026-01-03"),
    letter("2", "b", "page 2", "2026-01-02"),
    letter("3", "b", "page 3", "2026-01-01"),
  ]);
  expect(groups.map((g) => [g.task, g.letters.length, g.oldest, g.newest])).toEqual([
    ["b", 2, "2026-01-01", "2026-01-02"],
    ["a", 1, "2026-01-03", "2026-01-03"],
  ]);
});
