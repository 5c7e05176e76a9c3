import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// A whole Chromium draws parts of the frame around its window with pages in processes of their own. Nobody sees them here,
// and they cost a sixth of all processor time. One such list takes the place of another, so what Playwright switches off
// and what counts here stands in it, too.
const without = [
  ...["InitialWebUI", "PreloadTopChromeWebUI", "WebUIOmniboxPopup", "WebUIOmniboxAimPopup"],
  "WebUIToolbarProcessOverheadExperiment",
  ...["AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades", "PaintHolding"],
  ...["HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "ThirdPartyStoragePartitioning"],
  ...["OptimizationHints", "NetworkTimeServiceQuerying", "AimEnabled", "PreconnectToSearch"],
];
const flags = [
  ...["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"],
  `--disable-features=${without}`,
  // A page that is looked at for a second is gone before its script was worth compiling well.
  "--js-flags=--no-turbofan --no-maglev",
];

/** For `launch`, where it counts how fast a page is: its script is compiled as it is for a reader. */
export const compiled = "--js-flags=";

/** The system's Chromium (CHROMIUM names another). A missing one is an error, never a skip. */
export async function launch(more = []) {
  const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
  try {
    return await chromium.launch({ executablePath, args: [...flags, ...more] });
  } catch (cause) {
    throw new Error(
      `Chromium does not start from ${executablePath}; install it (apt-get install chromium) or set CHROMIUM`,
      { cause },
    );
  }
}

/** The tabs of a browser that somebody was done with. */
const idle = new WeakMap();

/**
 * A tab that remembers everything it complained about. What the browser itself reports of a failed request is left out
 * where the test expects it. Nothing moves in it, unless motion is what is looked at: spinners alone would keep a processor
 * busy.
 *
 * A new tab costs more than most of what is done in it, so one that was closed is given away again, empty: at no page,
 * without routes, and with nothing in its storage. One whose clock or pages were changed for good is not.
 */
export async function openTab(
  browser,
  { colorScheme = "light", width = 1280, height = 800, expected = /^$/, motion = false } = {},
) {
  if (!idle.has(browser)) idle.set(browser, []);
  const tab = idle.get(browser).pop() ?? (await newTab(browser));
  const { page } = tab;
  const complaints = [];
  tab.add = (text) => expected.test(text) || complaints.push(text);
  tab.origins.clear();
  await page.emulateMedia({ colorScheme, reducedMotion: motion ? "no-preference" : "reduce" });
  const size = page.viewportSize();
  if (size.width !== width || size.height !== height) await page.setViewportSize({ width, height });
  const close = async () => {
    if (tab.changed || tab.origins.size > 1) return page.context().close();
    await page.unrouteAll({ behavior: "ignoreErrors" });
    for (const event of ["request", "response", "requestfailed", "requestfinished", "download"])
      page.removeAllListeners(event);
    if (tab.origins.size > 0) {
      await page.evaluate(() => {
        sessionStorage.clear();
        localStorage.clear();
      });
      await page.goto("about:blank");
    }
    tab.add = () => {};
    idle.get(browser).push(tab);
  };
  return { page, complaints, close };
}

async function newTab(browser) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const tab = { page, origins: new Set(), changed: false, add: () => {} };
  page.on("console", (message) => message.type() === "error" && tab.add(message.text()));
  page.on("pageerror", (error) => tab.add(error.message));
  page.on("framenavigated", (frame) => frame.url().startsWith("http") && tab.origins.add(new URL(frame.url()).origin));
  // There is no way back from these.
  for (const [owner, name] of [
    [page, "addInitScript"],
    [page.clock, "install"],
  ]) {
    const whole = owner[name].bind(owner);
    owner[name] = (...given) => {
      tab.changed = true;
      return whole(...given);
    };
  }
  return tab;
}

/**
 * Runs axe and returns the serious and critical findings as text. It is evaluated by the debugger, which the page's
 * policy does not bind; a script element would be refused, as it should be. With a theme the page is shown in it; with
 * `only` the rules named run, with `but` all others. Targets of 24 px are looked at, too. Behind a dialog nothing can be
 * reached; what is there is looked at where no dialog is open.
 */
export async function findings(page, { theme, only, but = [] } = {}) {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axeSource);
  if (theme) await showIn(page, theme);
  const options = {
    resultTypes: ["violations"],
    rules: { "target-size": { enabled: true }, ...Object.fromEntries(but.map((rule) => [rule, { enabled: false }])) },
  };
  if (only) Object.assign(options, { runOnly: { type: "rule", values: only }, rules: {} });
  const result = await page.evaluate(
    (o) => globalThis.axe.run(document.querySelector("dialog:modal") ?? document, o),
    options,
  );
  return result.violations
    .filter((v) => v.impact === "serious" || v.impact === "critical")
    .map(
      (v) =>
        `${v.id}: ${v.help}\n${v.nodes.map((n) => `    ${n.target.join(" ")}\n      ${n.failureSummary?.replaceAll("\n", "\n      ")}`).join("\n")}`,
    );
}

/** The rules about colours, which are all that the theme changes. */
export const colours = ["color-contrast", "link-in-text-block"];

const showIn = (page, theme) =>
  page.evaluate((t) => {
    document.documentElement.dataset.theme = t;
  }, theme);

/** The findings in the theme that is shown and in the other one. */
export async function findingsInBothThemes(page) {
  const all = [];
  const before = await page.evaluate(() => document.documentElement.dataset.theme);
  for (const [theme, only] of [["light"], ["dark", colours]]) {
    for (const finding of await findings(page, { theme, only })) all.push(`${theme}: ${finding}`);
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
