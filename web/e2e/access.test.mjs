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
