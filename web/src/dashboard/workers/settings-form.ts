import type { WorkerSettings, WorkerSettingsChange } from "../../api/types.ts";

/** The settings of a worker as text fields; empty is the daemon's default. */
export interface SettingsDraft {
  dir: string;
  authMode: string;
  stopGrace: string;
  memory: string;
  cpu: string;
  pids: string;
  nofile: string;
  restarts: string;
  backoff: string;
  stable: string;
  finalCodes: string;
}

type Problems = Partial<Record<keyof SettingsDraft, string>>;

const units: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const sizes: Record<string, number> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** "1m30s" in ms; null when it is no length of time. */
export function parseDuration(text: string): number | null {
  const clean = text.replaceAll(" ", "").toLowerCase();
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(clean)) return null;
  let ms = 0;
  for (const [, n = "", unit = ""] of clean.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g))
    ms += Number(n) * (units[unit] ?? 0);
  return Math.round(ms);
}

/** "2GiB" in bytes; null when it is no size. */
export function parseSize(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b)?$/i.exec(text.trim());
  if (!match) return null;
  return Math.round(Number(match[1]) * (sizes[(match[2] ?? "").toLowerCase()] ?? 1));
}

export function writeDuration(ms: number): string {
  for (const [unit, size] of Object.entries(units).reverse())
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  return `${ms}ms`;
}

export function writeSize(bytes: number): string {
  if (bytes === 0) return "";
  for (const [unit, size] of Object.entries(sizes).reverse())
    if (bytes >= size && bytes % size === 0) return unit ? `${bytes / size}${unit.toUpperCase()}iB` : String(bytes);
  return String(bytes);
}

/** As people type it; the wire has both spellings. */
export const authModeText = (mode: string): string => mode.replaceAll("_", "-");

const number = (n: number) => (n === 0 ? "" : String(n));

export function draftOf(s: WorkerSettings): SettingsDraft {
  return {
    dir: s.dir,
    authMode: authModeText(s.authMode),
    stopGrace: writeDuration(s.stopGraceMs),
    memory: writeSize(s.limits.memoryBytes),
    cpu: number(s.limits.cpu),
    pids: number(s.limits.pids),
    nofile: number(s.limits.nofile),
    restarts: String(s.restart.budget),
    backoff: (s.restart.backoffMs ?? []).map(writeDuration).join(", "),
    stable: writeDuration(s.restart.stableMs),
    finalCodes: (s.restart.finalCodes ?? []).join(", "),
  };
}

const pieces = (text: string) => text.split(/[\s,]+/).filter(Boolean);

/** What to ask of the daemon so that the settings become what was typed; only what differs. Or what is wrong with it. */
export function changeOf(
  before: SettingsDraft,
  draft: SettingsDraft,
): { change: WorkerSettingsChange; problems: Problems } {
  const problems: Problems = {};
  const change: WorkerSettingsChange = {};
  const limits: NonNullable<WorkerSettingsChange["limits"]> = {};
  const restart: NonNullable<WorkerSettingsChange["restart"]> = {};
  const field = <T>(
    key: keyof SettingsDraft,
    read: (text: string) => T | null,
    wrong: string,
    set: (value: T) => void,
  ) => {
    const text = draft[key].trim();
    if (text === before[key].trim()) return;
    const value = read(text);
    if (value === null) problems[key] = wrong;
    else set(value);
  };
  const time = (text: string) => (text === "" ? 0 : parseDuration(text));
  const whole = (text: string) => (text === "" ? 0 : /^\d+$/.test(text) ? Number(text) : null);
  field(
    "dir",
    (t) => t,
    "",
    (v) => (change.dir = v),
  );
  field(
    "authMode",
    (t) => t,
    "",
    (v) => (change.authMode = v),
  );
  field("stopGrace", time, "A length of time, such as 30s or 10m", (v) => (change.stopGraceMs = v));
  field(
    "memory",
    (t) => (t === "" ? 0 : parseSize(t)),
    "A size, such as 512MiB or 2GiB",
    (v) => (limits.memoryBytes = v),
  );
  field(
    "cpu",
    (t) => (t === "" ? 0 : /^\d+(\.\d+)?$/.test(t) ? Number(t) : null),
    "A number of processors, such as 1.5",
    (v) => (limits.cpu = v),
  );
  field("pids", whole, "A whole number", (v) => (limits.pids = v));
  field("nofile", whole, "A whole number", (v) => (limits.nofile = v));
  field(
    "restarts",
    (t) => (t === "" ? 0 : /^-?\d+$/.test(t) ? Number(t) : null),
    "A whole number; -1 is for ever",
    (v) => (restart.budget = v),
  );
  field(
    "backoff",
    (t) => {
      const all = pieces(t).map(parseDuration);
      return all.every((ms) => ms !== null) ? all : null;
    },
    "Lengths of time with commas between: 1s, 5s, 1m",
    (v) => (restart.backoffMs = v),
  );
  field("stable", time, "A length of time, such as 1m", (v) => (restart.stableMs = v));
  field(
    "finalCodes",
    (t) => (pieces(t).every((c) => /^\d{1,3}$/.test(c)) ? pieces(t).map(Number) : null),
    "Exit codes with commas between: 2, 78",
    (v) => (restart.finalCodes = v),
  );
  if (Object.keys(limits).length > 0) change.limits = limits;
  if (Object.keys(restart).length > 0) change.restart = restart;
  return { change, problems };
}
