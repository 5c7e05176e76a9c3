import type { ConnectivitySample, Probe } from "../../api/types.ts";

const texts: Record<string, string> = {
  online: "Network online",
  "api-unreachable": "Control plane unreachable",
  offline: "Network offline",
  unknown: "Network not known",
};

/** A verdict in words. */
export const verdictText = (verdict: string): string => texts[verdict] ?? verdict;

/** Some looks at the network in a row that came out alike. */
export interface Spell {
  verdict: string;
  from: number; // ms, of its first look
  to: number; // of the first look after it, or of its last
  samples: ConnectivitySample[];
}

// Looks are 20 seconds apart; after a longer pause nobody knows how it was in between.
const pauseMs = 90_000;

/** The history as spells, oldest first. A pause, when the daemon did not run, ends one; the newest lasts until now. */
export function spells(history: ConnectivitySample[], now = 0): Spell[] {
  const out: Spell[] = [];
  for (const sample of history) {
    const last = out.at(-1);
    const before = last?.samples.at(-1);
    const paused = before !== undefined && sample.ts - before.ts > pauseMs;
    if (last && !paused) last.to = sample.ts;
    if (last && !paused && last.verdict === sample.verdict) last.samples.push(sample);
    else out.push({ verdict: sample.verdict, from: sample.ts, to: sample.ts, samples: [sample] });
  }
  const newest = out.at(-1);
  if (newest && now > newest.to && now - newest.to < pauseMs) newest.to = now;
  return out;
}

/** What one probe came to: "12 ms", "HTTP 503", or why it did not get through. */
export function probeText(probe: Pick<Probe, "ok" | "latencyMs" | "status" | "error">): string {
  if (probe.ok) return probe.latencyMs === null ? "reached" : `${probe.latencyMs} ms`;
  if (probe.status !== null) return `HTTP ${probe.status}`;
  return probe.error || "not reached";
}
