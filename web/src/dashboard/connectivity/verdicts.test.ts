import { expect, it } from "vitest";
import type { ConnectivitySample } from "../../api/types.ts";
import { probeText, spells } from "./verdicts.ts";

const look = (seconds: number, verdict: ConnectivitySample["verdict"]): ConnectivitySample => ({
  ts: seconds * 1_000,
  verdict,
  api: [],
  internet: { ok: verdict === "online", latencyMs: null, status: null },
});

it("gathers looks that came out alike; one lasts until the next begins", () => {
  const got = spells([look(0, "online"), look(20, "online"), look(40, "offline"), look(60, "online")]);
  expect(got.map((s) => [s.verdict, s.from / 1_000, s.to / 1_000, s.samples.length])).toEqual([
    ["online", 0, 40, 2],
    ["offline", 40, 60, 1],
    ["online", 60, 60, 1],
  ]);
});

it("does not say how it was while nobody looked", () => {
  const got = spells([look(0, "online"), look(20, "online"), look(7_200, "online")]);
  expect(got.map((s) => [s.from / 1_000, s.to / 1_000])).toEqual([
    [0, 20],
    [7_200, 7_200],
  ]);
  expect(spells([])).toEqual([]);
  expect(spells([look(0, "online")], 30_000)[0]?.to).toBe(30_000);
  expect(spells([look(0, "online")], 7_200_000)[0]?.to).toBe(0);
});

it("words a probe", () => {
  expect(probeText({ ok: true, latencyMs: 12, status: 200 })).toBe("12 ms");
  expect(probeText({ ok: false, latencyMs: 12, status: 503 })).toBe("HTTP 503");
  expect(probeText({ ok: false, latencyMs: null, status: null, error: "refused" })).toBe("refused");
});
