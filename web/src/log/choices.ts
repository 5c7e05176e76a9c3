import { preference } from "../lib/preference.ts";

/** How the reader likes lines, in every log. */
export const wrapPreference = preference<"wrap" | "off">("pipedai-log-wrap", "wrap", (t) => t === "off");
export const timesPreference = preference<"times" | "off">("pipedai-log-times", "times", (t) => t === "off");
