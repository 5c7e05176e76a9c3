import { expect, it } from "vitest";
import { runPieces, runText } from "./run-text.ts";

it("joins what was said, what was called and what came back", () => {
  const payload = {
    content: [
      { type: "text", text: "I look at it." },
      { type: "tool_use", name: "Read", input: { path: "a.pdf" } },
      { type: "tool_result", content: [{ type: "text", text: "3 pages" }] },
      { type: "thinking", thinking: "…" },
    ],
  };
  expect(runText(payload)).toBe('I look at it.  🔧 Read {"path":"a.pdf"}  → 3 pages');
  expect(runText({ message: payload })).toBe(runText(payload));
});

it("falls back to text, result and at last all of it", () => {
  expect(runText({ text: "line", result: "no" })).toBe("line");
  expect(runText({ result: { ok: true } })).toBe('{"ok":true}');
  expect(runText({ other: 1 })).toBe('{"other":1}');
  expect(runText({ content: [], text: "x" })).toBe("x");
  expect([runText(null), runText("plain"), runText(undefined), runText([1])]).toEqual(["", "plain", "", "[1]"]);
});

it("keeps lines short", () => {
  const long = "a".repeat(5_000);
  expect(runText({ text: long }).length).toBe(2_001);
  expect(runText({ content: [{ type: "tool_use", name: "Bash", input: { command: long } }] }).length).toBeLessThan(160);
  expect(
    runText({ content: Array.from({ length: 9 }, () => ({ type: "text", text: long.slice(0, 900) })) }).length,
  ).toBeLessThan(2_020);
  expect(runPieces({ content: [{ type: "tool_result" }] })).toEqual([{ kind: "result", text: "" }]);
});
