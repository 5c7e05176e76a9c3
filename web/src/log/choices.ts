import { preference } from "../lib/preference.ts";

/** How the reader likes lines, in every log. */
export const wrapPreference = preference<"wrap" | "off">("pipedai-log-wrap", "wrap", (t) => t === "off");
export const timesPreference = preference<"times" | "off">("pipedai-log-times", "times", (t) => t === "off");
/** Which line stands at the top. Searches, links and files are the same either way. */
export const orderPreference = preference<"oldest" | "newest">("pipedai-log-order", "oldest", (t) => t === "newest");
