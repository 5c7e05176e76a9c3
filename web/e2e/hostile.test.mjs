// Names and texts that somebody chose to break the page with, everywhere at once: nothing runs, nothing moves.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, openTab, sideways } from "./browser.mjs";
import { screens, settled, startServers, visit } from "./screens.mjs";

let browser;
let tab;
const servers = startServers({ scene: "hostile" });
before(async () => {
  browser = await launch();
  tab = await openTab(browser, { expected: /status of 404/ });
});
after(async () => {
  await browser?.close();
  await servers.stop();
});

const shown = screens.filter((s) => ["daemon", "plane"].includes(s.on) && !s.open);

for (const screen of shown) {
  test(`hostile names: ${screen.name}: nothing is injected, and the layout holds`, { timeout: 60_000 }, async () => {
    const { page, complaints } = tab;
    await page.setViewportSize({ width: 1280, height: 800 });
    await visit(page, screen, servers);
    const wrong = [];
    for (const [width, height] of [
      [1280, 800],
      [360, 740],
    ]) {
      await page.setViewportSize({ width, height });
      await settled(page);
      for (const text of await sideways(page)) wrong.push(`${width} px: ${text.slice(0, 300)}`);
    }
    const made = await page.evaluate(() => ({
      ran: "hacked" in window,
      elements: document.querySelectorAll('img[src="x"], script:not([src]), [onerror]').length,
      links: [...document.querySelectorAll("a[href]")].filter((a) => /^(javascript|data):/i.test(a.href)).length,
    }));
    assert.deepEqual(made, { ran: false, elements: 0, links: 0 });
    assert.deepEqual(wrong, []);
    assert.deepEqual(complaints.splice(0), []);
  });
}

test("hostile names are shown as they are, also in a title, a toast and a dialog", { timeout: 60_000 }, async () => {
  const { page, complaints } = tab;
  const daemon = await servers.of("daemon");
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.goto("about:blank");
  await page.goto(daemon.at("workers"));
  const row = page.locator("tr[data-worker]").first();
  await row.getByText('<img src=x onerror="window.hacked=1">').first().waitFor();
  await row.getByRole("button", { name: /^Stop/ }).click();
  await page.getByText("was stopped").waitFor();
  await row.getByRole("link").first().click();
  await page.waitForFunction(() => document.title.includes("<img src=x"));
  await page.keyboard.press("Control+k");
  await page.keyboard.type("onerror");
  await page.getByRole("option").first().waitFor();
  assert.deepEqual(await sideways(page), []);
  assert.equal(await page.evaluate(() => "hacked" in window), false);
  assert.deepEqual(complaints.splice(0), []);
});
