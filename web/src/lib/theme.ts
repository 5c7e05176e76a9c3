import { preference } from "./preference.ts";

export type Theme = "system" | "light" | "dark";

const system = () => window.matchMedia("(prefers-color-scheme: dark)");
const theme = preference<Theme>("theme", "system", (text) => text === "light" || text === "dark");

/** Keeps the choice and shows it at once. theme-boot.js reads it at the next load, before the first paint. */
export const setTheme = theme.set;

export const useTheme = theme.use;

function show(): void {
  const dark = theme.get() === "dark" || (theme.get() === "system" && system().matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

/** Follows the choice, the system and the other tabs while the page is open. */
export function watchTheme(): void {
  system().addEventListener("change", show);
  theme.watch(show);
}
