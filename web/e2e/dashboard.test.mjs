// The dashboard in a real browser. DASHBOARD_URL (with its token) names a running daemon with at least one worker;
// without it the tests start a fake one, and some that take the daemon away run only then.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { clean, launch, openTab, sideways } from "./browser.mjs";
import { startDaemon } from "./fake/daemon.mjs";
import { settled } from "./screens.mjs";

const real = process.env.DASHBOARD_URL;
let browser;
let fake;
let url;

before(async () => {
  browser = await launch();
  if (!real) fake = await startDaemon();
  url = real ?? fake.url;
});
after(async () => {
  await browser?.close();
  await fake?.stop();
});

const workersAt = (link) => `${link}#/workers`;
/** Chooses from the menu of a row. */
const choose = async (row, item) => {
  await row.getByRole("button", { name: /^More for/ }).click();
  await row.page().getByRole("menuitem", { name: item }).click();
};
const badge = (row, state) => row.locator(`[data-state="${state}"]`).first();

test("the main path: see the worker run, read its log, stop it, start it", { timeout: 120_000 }, async () => {
  const { page, complaints, close } = await openTab(browser);
  await page.goto(workersAt(url));
  await page.locator('[data-link="live"]').waitFor();
  assert.equal(new URL(page.url()).search, "", "the token stands in the address bar");
  assert.ok(
    await page.evaluate(() => sessionStorage.getItem("pipedai_oct")?.startsWith("oct_")),
    "the token is not in the session storage",
  );

  const row = page.locator("tr[data-worker]").first();
  await badge(row, "up").waitFor();
  await clean(page);

  await row.getByRole("link", { name: /^Log of/ }).click();
  const log = page.getByRole("main");
  const lines = log.getByRole("grid", { name: /^Log lines/ });
  await lines.locator("time").first().waitFor();
  await clean(page);
  const search = log.getByRole("searchbox");
  await search.fill("no text layer");
  await search.press("Enter");
  await log.getByText("3 of 3 matches").waitFor();
  await search.press("Enter");
  await log.getByText("2 of 3 matches").waitFor();
  assert.match(await lines.locator("[data-selected]").innerText(), /no text layer/);
  await page.waitForURL(/#\/workers\/[^/]+\/log\?lines=\d+$/); // the line that was found
  const picked = page.url();
  await clean(page);
  await page.reload();
  await lines.locator("[data-selected]").getByText("no text layer").waitFor();
  assert.equal(page.url(), picked);
  await search.fill("no text layer");
  await log.getByRole("button", { name: "Only lines that match" }).click();
  await log
    .getByText(/claimed run/)
    .first()
    .waitFor({ state: "detached" });
  await search.fill("surely no line says this");
  await log.getByText("No line fits.").waitFor();
  await search.fill("");
  await log
    .getByText(/claimed run/)
    .first()
    .waitFor();
  const download = page.waitForEvent("download");
  await log.getByRole("button", { name: "Download" }).click();
  await page.getByRole("menuitem", { name: "All lines, as text" }).click();
  assert.match((await download).suggestedFilename(), /\.log$/);
  await page.goBack();
  await page.getByRole("table", { name: "Workers of this host" }).waitFor();

  await row.getByRole("button", { name: /^Stop/ }).click();
  const confirm = page.getByRole("dialog").getByRole("button", { name: "Drain and stop" });
  await Promise.race([confirm.waitFor().catch(() => {}), badge(row, "stopped").waitFor({ timeout: 60_000 })]);
  if (await confirm.isVisible()) await confirm.click();
  await badge(row, "stopped").waitFor({ timeout: 60_000 });
  await page.getByText("was stopped").waitFor();

  await row.getByRole("button", { name: /^Start/ }).click();
  await badge(row, "up").waitFor({ timeout: 60_000 });
  await page.getByText("was started").waitFor();

  await choose(row, "Disable");
  await badge(row, "disabled").waitFor();
  await row.getByRole("button", { name: /^Enable/ }).click();
  await row.getByRole("button", { name: /^Stop/ }).waitFor();
  await clean(page);
  assert.deepEqual(complaints, []);
  await close();
});

test("keys: help, rows, Enter, Escape, and the theme button", { timeout: 60_000 }, async () => {
  const { page, complaints, close } = await openTab(browser, { colorScheme: "dark" });
  await page.goto(url);
  await page.locator('[data-link="live"]').waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");

  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  await clean(page);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("g");
  await page.keyboard.press("w");
  await page.locator("tr[data-worker]").first().waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.getByRole("tab", { name: "Overview" }).focus();
  await page.keyboard.press("ArrowRight");
  await page.getByRole("grid", { name: /^Log lines/ }).waitFor();
  assert.match(page.url(), /\/log$/);
  await page.keyboard.press("ArrowRight");
  await page.getByRole("tabpanel", { name: "Runs" }).waitFor();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("connectiv");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Now" }).waitFor();
  assert.match(page.url(), /#\/connectivity$/);
  await page.keyboard.press("g");
  await page.keyboard.press("w");
  await page.locator("tr[data-worker]").first().waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("surely nobody has this name");
  await page.getByText("No worker fits").waitFor();
  assert.match(page.url(), /q=surely/);
  await page.getByRole("button", { name: "Clear the search" }).press("Enter");

  await page.getByRole("button", { name: /^Theme/ }).click();
  await page.waitForFunction(() => document.documentElement.dataset.theme === "light");
  await page.reload();
  await page.locator("tr[data-worker]").first().waitFor();
  assert.equal(
    await page.evaluate(() => document.documentElement.dataset.theme),
    "light",
    "the choice does not outlive a reload",
  );
  assert.deepEqual(complaints, []);
  await close();
});

test("a refusal stands in the row, and deleting wants the name", {
  timeout: 60_000,
  skip: real ? "only with the fake daemon" : false,
}, async () => {
  const daemon = await startDaemon();
  const { page, complaints, close } = await openTab(browser, { expected: /502/ });
  await page.goto(daemon.at("workers"));
  const row = page.locator("tr[data-worker]").first();
  daemon.refuse.add(daemon.workers[0].id);
  await choose(row, "Disable");
  await row.getByRole("alert").getByText("nothing was changed").waitFor();
  await clean(page);
  daemon.refuse.clear();
  // The menu by keyboard: it opens, a letter finds the entry, and the focus is on its button afterwards.
  await row.getByRole("button", { name: /^More for/ }).press("Enter");
  await page.getByRole("menuitem").first().and(page.locator(":focus")).waitFor();
  await page.keyboard.press("d");
  await page.keyboard.press("Enter");
  await row.getByRole("button", { name: /^Enable/ }).waitFor();
  assert.equal(await row.getByRole("alert").count(), 0, "the refusal outlived what was done since");

  await choose(row, "Delete…");
  const dialog = page.getByRole("dialog");
  await page.keyboard.type("pdf-process");
  assert.ok(await dialog.getByRole("button", { name: "Delete the worker" }).isDisabled());
  await clean(page);
  await page.keyboard.type("or");
  await page.keyboard.press("Enter");
  await row.waitFor({ state: "detached" });
  await page.getByText("No workers on this host yet").waitFor();
  assert.deepEqual(complaints, []);
  await close();
  await daemon.stop();
});

test("a phone: nothing scrolls sideways", { timeout: 60_000 }, async () => {
  const { page, complaints, close } = await openTab(browser, { width: 360, height: 740 });
  await page.goto(workersAt(url));
  const worker = page.locator("tr[data-worker]").first();
  await worker.waitFor();
  const id = await worker.getAttribute("data-worker");
  const tabs = ["", "/log", "/runs", "/events"].map((tab) => `workers/${encodeURIComponent(id)}${tab}`);
  for (const view of ["", "workers", "workers?build=1", "upgrades", "connectivity", "adopt", "settings", ...tabs]) {
    await page.goto(new URL(`/#/${view}`, url).href);
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))); // the other view
    await settled(page);
    assert.deepEqual(await sideways(page), [], view);
  }
  await clean(page);
  assert.deepEqual(complaints, []);
  await close();
});

test("without a token there is a page that says what to do", { timeout: 60_000 }, async () => {
  const { page, complaints, close } = await openTab(browser, { expected: /401|WebSocket/ });
  await page.goto(new URL("/", url).href);
  await page.getByText("pipedai-orchestrator dashboard").waitFor();
  await clean(page);
  assert.deepEqual(complaints, []);

  await page.goto(new URL("/?token=oct_wrong", url).href);
  await page.getByRole("heading", { name: "This link is no longer valid" }).waitFor();
  await page.getByText("pipedai-orchestrator dashboard").waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test("a daemon that goes away: a banner, back by itself, a new build noticed", {
  timeout: 120_000,
  skip: real ? "only with the fake daemon" : false,
}, async () => {
  const first = await startDaemon();
  const { page, complaints, close } = await openTab(browser, { expected: /ERR_CONNECTION|WebSocket/ });
  await page.goto(first.at("workers"));
  await page.locator('[data-link="live"]').waitFor();
  await first.stop();
  await page.getByText("Lost connection to the daemon").waitFor(); // src/live/link.test.ts: within 5 s
  assert.ok(await page.getByRole("button", { name: /^Stop/ }).isDisabled(), "an action is offered that cannot work");
  await clean(page);

  const second = await startDaemon({ port: first.port });
  second.self.build = "d4e5f6"; // it was upgraded meanwhile
  await page.getByText("Reconnected").waitFor({ timeout: 20_000 });
  await page.getByText("Lost connection to the daemon").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Reload for the new version" }).waitFor();
  await page.getByRole("button", { name: "Reload for the new version" }).click();
  await page.locator('[data-link="live"]').waitFor();
  assert.deepEqual(complaints, []);
  await close();
  await second.stop();
});

test("a run in flight: stopping asks first", {
  timeout: 60_000,
  skip: real ? "only with the fake daemon" : false,
}, async () => {
  const crowd = await startDaemon({ scene: "crowd" });
  const { page, complaints, close } = await openTab(browser);
  await page.goto(crowd.at("workers"));
  const row = page.locator("tr[data-worker]", { hasText: "image-resizer" });
  await row.getByRole("button", { name: /^Stop/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("One run is in flight").waitFor();
  await clean(page);
  await dialog.getByRole("button", { name: "Keep as it is" }).click();
  await dialog.waitFor({ state: "detached" });
  await badge(row, "up").waitFor();
  assert.deepEqual(complaints, []);
  await close();
  await crowd.stop();
});
