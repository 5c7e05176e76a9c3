// Every screen of both pages, by the table of screens: axe in both themes, targets, narrow windows, zoom, motion.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { colours, findings, launch, openTab, sideways } from "./browser.mjs";
import { screens, settled, startServers, visit } from "./screens.mjs";

let browser;
let tab;
const servers = startServers();
// What a page asks for that is not there is answered so, and the browser says it, too.
const expected = /status of 404/;

before(async () => {
  browser = await launch();
  tab = await openTab(browser, { expected });
});
after(async () => {
  await browser?.close();
  await servers.stop();
});

// What paints more than words: tabs, places, charts, graphs, time lines, swatches, a dialog.
const painted = [
  ...["home", "run-live", "run-failed", "run-timeline", "pipelines", "rollout", "console-palette"],
  ...["dashboard", "dashboard-worker", "dashboard-log", "dashboard-connectivity", "dashboard-upgrades"],
];
const only = process.env.SCREENS?.split(",");

for (const screen of screens) {
  if (only && !only.includes(screen.name)) continue;
  test(`W10: ${screen.name}: axe in both themes, 24 px targets, 360 and 320 px, 200 % zoom, no motion`, {
    timeout: 60_000,
  }, async () => {
    // Without the token in its address a page would find the one of the screen before in the tab.
    const own = screen.open ? await openTab(browser, { expected }) : tab;
    const { page, complaints } = own;
    await page.setViewportSize({ width: 1280, height: 800 });
    await visit(page, screen, servers);
    const wrong = [];
    const look = (what, list) => wrong.push(...list.map((text) => `${what}: ${text}`));

    look("light", await findings(page, { theme: "light" }));
    look("dark", await findings(page, { theme: "dark", only: colours }));
    look("in motion", await inMotion(page));
    if (painted.includes(screen.name)) look("forced colours", await unreadable(page));
    for (const [what, width, height] of [
      ["200 % zoom", 640, 400],
      ["360 px", 360, 740],
      ["320 px", 320, 640],
    ]) {
      await page.setViewportSize({ width, height });
      await settled(page);
      look(what, await sideways(page));
      if (width === 360) look("360 px", await findings(page, { theme: "light", but: ["color-contrast"] }));
    }
    assert.deepEqual(wrong, []);
    assert.deepEqual(complaints.splice(0), []);
    if (own !== tab) await own.close();
  });
}

/** What moves although the reader asked for no motion. */
const inMotion = (page) =>
  page.evaluate(() =>
    document
      .getAnimations()
      .filter((a) => a.playState === "running")
      .map((a) => `${a.animationName ?? a.transitionProperty} of ${a.effect?.target?.outerHTML.slice(0, 120)}`),
  );

/**
 * What cannot be told apart in the two colours that a reader forced upon all pages, as Windows does for high contrast: words,
 * what is chosen among others, what is drawn, and where the focus is. The page stays so in neither theme.
 */
async function unreadable(page) {
  await page.emulateMedia({ forcedColors: "active", colorScheme: "dark" });
  const found = await findings(page, { theme: "light", only: colours });
  await page.keyboard.press("Tab");
  found.push(
    ...(await page.evaluate(() => {
      const found = [];
      const say = (what, e) => found.push(`${what}: ${e.outerHTML.slice(0, 160)}`);
      const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
      const probe = document.body.appendChild(document.createElement("p"));
      probe.style.color = "Canvas";
      const ground = getComputedStyle(probe).color;
      probe.remove();
      const light = (colour) => {
        pixel.clearRect(0, 0, 1, 1);
        pixel.fillStyle = colour;
        pixel.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
        const part = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
        return a < 128 ? null : 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
      };
      const under = light(ground);
      /** Whether a colour stands out from the ground. */
      const seen = (colour) => {
        const over = light(colour);
        return over !== null && (Math.max(over, under) + 0.05) / (Math.min(over, under) + 0.05) >= 3;
      };
      const shown = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getBoundingClientRect().width > 0;
      const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);

      for (const tab of all("[role=tab]")) {
        const marked = seen(getComputedStyle(tab).borderBottomColor);
        if (marked !== (tab.ariaSelected === "true")) say(marked ? "looks chosen" : "does not look chosen", tab);
      }
      for (const e of all("nav [aria-current=page], [aria-pressed=true], [role=option][aria-selected=true]")) {
        const { outlineStyle, outlineColor } = getComputedStyle(e);
        if (outlineStyle === "none" || !seen(outlineColor)) say("does not look chosen", e);
      }
      const shapes = "main svg :is(path, line, polyline), main svg rect:not(.fill-transparent), main svg circle";
      for (const e of all(shapes)) {
        if (e.closest("defs, marker, mask, clipPath, .react-flow__minimap, .react-flow__background, .lucide")) continue;
        const { fill, stroke, strokeOpacity } = getComputedStyle(e);
        if (strokeOpacity === "0" || (light(fill) === null && light(stroke) === null)) continue; // for the pointer only
        if (!seen(fill) && !seen(stroke)) say(`is painted ${fill} on ${ground}`, e);
      }
      for (const e of all("main :is(.bar, .bg-current, .tone-bg)")) {
        const { backgroundColor, borderTopColor, borderTopWidth } = getComputedStyle(e);
        if (!seen(backgroundColor) && !(borderTopWidth !== "0px" && seen(borderTopColor))) say("cannot be seen", e);
      }
      const focus = document.activeElement;
      const { outlineStyle, outlineColor } = getComputedStyle(focus);
      if (focus !== document.body && (outlineStyle === "none" || !seen(outlineColor))) say("has no ring", focus);
      return found;
    })),
  );
  await page.emulateMedia({ forcedColors: "none", colorScheme: "light" });
  return found;
}
