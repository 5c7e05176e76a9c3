import { describe, expect, it } from "vitest";
import { backoffDelay } from "./backoff.ts";
import { SseParser } from "./sse.ts";

describe("SseParser", () => {
  const text =
    ': welcome\n\nid: 7\nevent: run\ndata: {"seq":7}\n\ndata: one\r\ndata:two\r\n\r\nevent: nothing\n\nid: 8\ndata: last\n\n';
  const whole = [
    { event: "run", data: '{"seq":7}', id: "7" },
    { event: "message", data: "one\ntwo", id: "7" },
    { event: "message", data: "last", id: "8" },
  ];

  it("reads events, comments and both line ends", () => {
    expect(new SseParser().push(text)).toEqual(whole);
  });

  it("reads the same cut anywhere", () => {
    for (let size = 1; size <= 9; size++) {
      const parser = new SseParser();
      const events = [];
      for (let at = 0; at < text.length; at += size) events.push(...parser.push(text.slice(at, at + size)));
      expect(events).toEqual(whole);
    }
  });

  it("holds back an event that is not finished", () => {
    const parser = new SseParser();
    expect(parser.push("data: half")).toEqual([]);
    expect(parser.push(" done\n")).toEqual([]);
    expect(parser.push("\n")).toEqual([{ event: "message", data: "half done", id: "" }]);
  });
});

describe("backoffDelay", () => {
  const policy = { baseMs: 1_000, maxMs: 10_000 };

  it("doubles to its limit", () => {
    expect([1, 2, 3, 4, 5, 50].map((n) => backoffDelay(n, policy, () => 1))).toEqual([
      1_000, 2_000, 4_000, 8_000, 10_000, 10_000,
    ]);
  });

  it("is never less than half, so that pages spread and none hammers", () => {
    expect(backoffDelay(1, policy, () => 0)).toBe(500);
    expect(backoffDelay(9, policy, () => 0)).toBe(5_000);
  });
});
