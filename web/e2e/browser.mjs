import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The system's Chromium (CHROMIUM names another). A missing one is an error, never a skip. */
export async function launch(more = []) {
  const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
  try {
    return await chromium.launch({
      executablePath,
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage", ...more],
    });
  } catch (cause) {
    throw new Error(
      `Chromium does not start from ${executablePath}; install it (apt-get install chromium) or set CHROMIUM`,
      { cause },
    );
  }
}

/**
 * A tab that remembers everything it complained about. What the browser itself reports of a failed request is left out
 * where the test expects it.
 */
export async function openTab(browser, { colorScheme = "light", width = 1280, height = 800, expected = /^$/ } = {}) {
  const context = await browser.newContext({ colorScheme, viewport: { width, height } });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints = [];
  const add = (text) => expected.test(text) || complaints.push(text);
  page.on("console", (message) => message.type() === "error" && add(message.text()));
  page.on("pageerror", (error) => add(error.message));
  return { page, complaints, close: () => context.close() };
}

/**
 * Runs axe and returns the serious and critical findings as text. It is evaluated by the debugger, which the page's
 * policy does not bind; a script element would be refused, as it should be. With a theme the page is shown in it; with
 * `only` the rules named run, with `but` all others. Targets of 24 px are looked at, too.
 */
export async function findings(page, { theme, only, but = [] } = {}) {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axeSource);
  if (theme) await showIn(page, theme);
  const options = {
    resultTypes: ["violations"],
    rules: { "target-size": { enabled: true }, ...Object.fromEntries(but.map((rule) => [rule, { enabled: false }])) },
  };
  if (only) Object.assign(options, { runOnly: { type: "rule", values: only }, rules: {} });
  const result = await page.evaluate((o) => globalThis.axe.run(document, o), options);
  return result.violations
    .filter((v) => v.impact === "serious" || v.impact === "critical")
    .map(
      (v) =>
        `${v.id}: ${v.help}\n${v.nodes.map((n) => `    ${n.target.join(" ")}\n      ${n.failureSummary?.replaceAll("\n", "\n      ")}`).join("\n")}`,
    );
}

const showIn = (page, theme) =>
  page.evaluate((t) => {
    document.documentElement.dataset.theme = t;
  }, theme);

/** The findings in the theme that is shown and in the other one. */
export async function findingsInBothThemes(page) {
  const all = [];
  const themes = ["light", "dark"];
  const before = await page.evaluate(() => document.documentElement.dataset.theme);
  for (const theme of themes) {
    for (const finding of await findings(page, { theme })) all.push(`${theme}: ${finding}`);
  }
  await showIn(page, before);
  return all;
}

/** Fails when there are any. */
export const clean = async (page) => assert.deepEqual(await findingsInBothThemes(page), []);

/**
 * What has to be scrolled sideways, or is cut off at the right: the page, a dialog, and whatever scrolls within them, but
 * logs, graphs, the time line, code, and a row of tabs or places.
 */
export const sideways = (page) =>
  page.evaluate(() => {
    const found = [];
    const root = document.documentElement;
    if (root.scrollWidth > window.innerWidth) found.push(`the page is ${root.scrollWidth} px wide`);
    const may = "[data-log], .react-flow, [data-timeline], pre, code, nav, [role=tablist], .sr-only";
    for (const element of document.querySelectorAll("main *, dialog[open], dialog[open] *")) {
      if (element.closest(may) || element.scrollWidth <= element.clientWidth + 1) continue;
      // Words for screen readers only, and the marks of an axis, which may stand half outside.
      if (element.clientWidth <= 1 || element.closest("[aria-hidden]")) continue;
      const { overflowX, display, textOverflow } = getComputedStyle(element);
      if (display === "inline" || element.clientWidth === 0 || textOverflow === "ellipsis") continue;
      const lines = getComputedStyle(element).webkitLineClamp;
      if (overflowX === "visible" || lines !== "none") continue;
      const what = element.getAttribute("aria-label") ?? element.className;
      found.push(`${element.tagName.toLowerCase()} ${what} holds ${element.scrollWidth} px in ${element.clientWidth}`);
    }
    return found;
  });
