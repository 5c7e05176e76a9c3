import { expect, it } from "vitest";
import { parseLog } from "./task-log.ts";

it("reads the lines of a task's log", () => {
  const text = [
    '{"level":"info","message":"read 12 rows","runId":"trun_1","stream":"stderr","timestamp":"2026-11-22T01:09:19.142Z"}',
    '{"level":"error","message":"\\u001b[31mno amount\\u001b[0m","row":7,"file":"a.csv","timestamp":"nonsense"}',
    "",
    "Traceback (most recent call last):",
    "null",
  ].join("\n");
  expect(parseLog(text)).toEqual([
    { at: Date.parse("2026-11-22T01:09:19.142Z"), level: "info", text: "read 12 rows" },
    { at: null, level: "error", text: "no amount row=7 file=a.csv" },
    { at: null, level: "info", text: "Traceback (most recent call last):" },
    { at: null, level: "info", text: "null" },
  ]);
  expect(parseLog("")).toEqual([]);
});
