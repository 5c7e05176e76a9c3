import { expect, it } from "vitest";
import { sayEvent } from "./say-event.ts";

it("says what an event is about", () => {
  expect(sayEvent({ text: "page 1\u001b[2J" })).toBe("page 1");
  expect(sayEvent({ result: { pages: 6 } })).toBe('{"pages":6}');
  expect(sayEvent({ pages: 6 })).toBe('{"pages":6}');
  expect(sayEvent(null)).toBe("null");
  expect(
    sayEvent({
      message: {
        content: [
          { type: "text", text: "Let me look." },
          { type: "tool_use", name: "Read", input: { path: "a" } },
          { type: "tool_result", content: "x".repeat(200) },
        ],
      },
    }),
  ).toBe(`Let me look.  🔧 Read {"path":"a"}  → ${"x".repeat(140)}…`);
  expect(sayEvent({ text: "y".repeat(10_000) })).toHaveLength(2_001);
});
