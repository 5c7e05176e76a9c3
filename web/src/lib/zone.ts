import { preference } from "./preference.ts";

/** "local", "UTC" or the name of a time zone ("Asia/Kolkata"). */
type Zone = string;

/** Whether this browser knows a time zone by that name. */
export function knownZone(name: string): boolean {
  if (name === "local") return true;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The zone in which every time of the page is shown. */
export const zonePreference = preference<Zone>("zone", "local", knownZone);

/** Whether times in lists are ages ("3 m ago") or clock times. */
export const agesPreference = preference<"ages" | "times">("times", "ages", (text) => text === "times");

/** The zones there are to choose from. */
export function zones(): string[] {
  return ["UTC", ...Intl.supportedValuesOf("timeZone").filter((name) => name !== "UTC")];
}

/** The name of the reader's own zone. */
export function localZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

type Shape = "absolute" | "clock" | "minute" | "day" | "short" | "far";

const shapes: Record<Shape, Intl.DateTimeFormatOptions> = {
  absolute: { dateStyle: "medium", timeStyle: "long" },
  short: { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  // In another year the seconds say nothing, and the year does.
  far: { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  clock: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  minute: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  day: { year: "numeric", month: "2-digit", day: "2-digit" },
};

// Making a formatter costs far more than using it.
const formatters = new Map<string, Intl.DateTimeFormat>();

/** An instant in a zone, for people. */
export function inZone(ms: number, zone: Zone, shape: Shape): string {
  const key = `${shape} ${zone}`;
  let formatter = formatters.get(key);
  if (!formatter) {
    const where = zone === "local" ? {} : { timeZone: zone };
    formatter = new Intl.DateTimeFormat(undefined, { ...shapes[shape], ...where });
    formatters.set(key, formatter);
  }
  return formatter.format(ms);
}

const halfYearMs = 183 * 86_400_000;

/** Date and time for lists: to the second, or, where that is half a year away, with the year. */
export const listed = (ms: number, zone: Zone, now: number = Date.now()) =>
  inZone(ms, zone, Math.abs(ms - now) > halfYearMs ? "far" : "short");

/** Date and time with the zone they are in. */
export const absolute = (ms: number, zone: Zone) => inZone(ms, zone, "absolute");

/** Time of day with milliseconds, for log lines. */
export const clock = (ms: number, zone: Zone) =>
  `${inZone(ms, zone, "clock")}.${String(Math.floor(ms) % 1_000).padStart(3, "0")}`;
