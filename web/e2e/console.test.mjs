// The console in a real browser. CONSOLE_URL (with ?token=) names a running control plane, PIPELINE a pipeline to run with
// INPUT (JSON), PAIRING_CODE a host that waits. Without CONSOLE_URL the tests start a fake one; some need what it holds.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { clean, launch, openTab } from "./browser.mjs";
import { startControlPlane } from "./fake/controlplane.mjs";

const real = process.env.CONSOLE_URL;
const pipeline = process.env.PIPELINE || "pdf-processor";
const input = process.env.INPUT || '{"pdfUrl": "https://example.org/report.pdf", "extractTables": true}';
const runLimit = Number(process.env.RUN_TIMEOUT_MS || 90_000);
const onlyFake = { timeout: 60_000, skip: real ? "needs what the fake control plane holds" : false };
let browser;
let fake;
let url;
let token;

before(async () => {
  browser = await launch();
  if (!real) fake = await startControlPlane();
  url = real ?? fake.url;
  token = new URL(url).searchParams.get("token");
  assert.ok(token, "CONSOLE_URL has to carry ?token=");
});
after(async () => {
  await browser?.close();
  await fake?.stop();
});

const at = (path) => {
  const to = new URL(path, url);
  to.searchParams.set("token", token);
  return to.href;
};

test("signing in by hand, from a deep link", { timeout: 60_000 }, async () => {
  const { page, complaints, close } = await openTab(browser, { expected: /401/ });
  await page.goto(new URL("/runs?status=completed", url).href);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByText("admin.token").first().waitFor();
  await clean(page);

  await page.getByLabel("Operator token").fill("pwk_wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("does not take this token").waitFor();
  await page.getByLabel("Operator token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Runs" }).waitFor();
  assert.equal(new URL(page.url()).search, "?status=completed", "the link did not survive the sign-in");
  await page.locator('[data-link="live"]:visible').waitFor();

  await page.getByRole("button", { name: "Sign out" }).locator("visible=true").click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.getItem("pipeweave_token")), null);
  assert.deepEqual(complaints, []);
  await close();
});

test("approving a host", {
  timeout: 60_000,
  skip: real && !process.env.PAIRING_CODE ? "PAIRING_CODE is not set" : false,
}, async () => {
  const code = process.env.PAIRING_CODE || "WDJB-MJHT";
  const { page, complaints, close } = await openTab(browser);
  await page.goto(at("/activate"));
  await page.getByLabel("Code from the terminal of the host").fill(code.toLowerCase().replace("-", " "));
  await page.getByRole("button", { name: "Look it up" }).click();
  await page.locator("[data-code]", { hasText: code }).waitFor();
  await page.getByText("Is this the code in your own terminal").waitFor();
  await clean(page);
  await page.reload();
  await page.locator("[data-code]", { hasText: code }).waitFor(); // a link with the code in it decides nothing
  await page.getByRole("button", { name: "It is, approve" }).click();
  await page.getByText(/is approved|has joined/).waitFor();
  await clean(page);
  assert.deepEqual(complaints, []);
  await close();
});

test("the main path: open a pipeline, run it, watch it complete, look at graph and result", {
  timeout: runLimit + 60_000,
}, async () => {
  const { page, complaints, close } = await openTab(browser);
  await page.goto(at("/"));
  await page.getByRole("heading", { name: "Home" }).waitFor();
  assert.equal(new URL(page.url()).search, "", "the token stands in the address bar");
  await page.locator('[data-link="live"]:visible').waitFor();
  await page.locator('[data-counter="Running"], [data-start-here]').first().waitFor();
  await clean(page);

  await page.getByRole("link", { name: "Pipelines", exact: true }).click();
  await page.getByRole("link", { name: pipeline, exact: true }).first().click();
  await page.locator("[data-node]").first().waitFor();
  await clean(page);

  await page.getByRole("button", { name: "Run", exact: true }).click();
  const dialog = page.getByRole("dialog");
  const asJSON = dialog.getByRole("button", { name: "Write it as JSON" });
  await dialog.getByRole("button", { name: "Start the run" }).waitFor();
  if (!real) await asJSON.click();
  else if (await asJSON.isVisible()) await asJSON.click();
  await dialog.getByLabel("Input, as JSON").fill("{ not json");
  await dialog.getByRole("button", { name: "Start the run" }).click();
  await dialog.getByText("This is not JSON").waitFor();
  await clean(page);
  await dialog.getByLabel("Input, as JSON").fill(input);
  await dialog.getByRole("button", { name: "Start the run" }).click();
  await page.waitForURL(/\/runs\/prun_/);
  await page.locator("[data-node]").first().waitFor();

  await page.locator('[data-run-status="completed"]').waitFor({ timeout: runLimit });
  await page.locator('[data-node][data-state="completed"]').first().waitFor();
  assert.equal(await page.locator('[data-node][data-state="running"]').count(), 0, "list and graph disagree");
  await clean(page);

  await page.locator('[data-node][data-state="completed"]').first().click();
  await page.getByRole("heading", { name: /^Task / }).waitFor();
  await page
    .getByRole("region", { name: /^Content of Output/ })
    .locator("pre")
    .first()
    .waitFor();
  await page.getByRole("tab", { name: /^Tasks/ }).click();
  await page.getByRole("table", { name: "Tasks of this run" }).waitFor();
  assert.match(page.url(), /tab=tasks/);
  await clean(page);

  await page.getByRole("link", { name: "Runs", exact: true }).first().click();
  await page.getByRole("table", { name: "Runs" }).waitFor();
  await page.getByLabel("State").selectOption("completed");
  await page.waitForURL(/status=completed/);
  await page.getByRole("table", { name: "Runs" }).locator('[data-state="completed"]').first().waitFor();
  await clean(page);
  assert.deepEqual(complaints, []);
  await close();
});

for (const [path, heading] of [
  ["/pipelines", "Pipelines"],
  ["/services", "Services"],
]) {
  test(`${path} in both themes, wide and on a phone`, { timeout: 60_000 }, async () => {
    for (const width of [1280, 360]) {
      const { page, complaints, close } = await openTab(browser, { width });
      await page.goto(at(path));
      await page.getByRole("heading", { name: heading, exact: true }).waitFor();
      await page.waitForLoadState("load");
      await page.locator("main").locator("table, [data-row], code").first().waitFor();
      assert.equal(
        await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth),
        0,
        "the page scrolls sideways",
      );
      await clean(page);
      assert.deepEqual(complaints, []);
      await close();
    }
  });
}

test("keys: help, going places, rows", { timeout: 60_000 }, async () => {
  const { page, complaints, close } = await openTab(browser);
  await page.goto(at("/"));
  await page.getByRole("heading", { name: "Home" }).waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  await clean(page);
  await page.keyboard.press("Escape");
  await page.keyboard.press("g");
  await page.keyboard.press("r");
  await page.getByRole("heading", { name: "Runs", exact: true, level: 1 }).waitFor();
  await page.getByRole("table", { name: "Runs" }).waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/runs\/prun_/);
  assert.deepEqual(complaints, []);
  await close();
});

test("a code that is not known", { timeout: 60_000 }, async () => {
  const { page, complaints, close } = await openTab(browser, { expected: /404/ });
  await page.goto(at("/activate?code=ZZZZ-ZZZZ"));
  await page.getByText("No host waits with this code").waitFor();
  await clean(page);
  assert.deepEqual(complaints, []);
  await close();
});

test("codes that were decided before, or have expired", onlyFake, async () => {
  const { page, complaints, close } = await openTab(browser);
  for (const [code, text] of [
    ["BCDF-GHJK", "was denied"],
    ["QRST-VWXZ", "This code has expired"],
  ]) {
    await page.goto(at(`/activate?code=${code}`));
    await page.getByRole("heading", { name: new RegExp(text) }).waitFor();
    assert.equal(await page.getByRole("button", { name: "It is, approve" }).count(), 0);
    await clean(page);
  }
  assert.deepEqual(complaints, []);
  await close();
});

test("a failed run: the task, the attempt and the error come first; a skipped task says so", onlyFake, async () => {
  for (const width of [1280, 360]) {
    const { page, complaints, close } = await openTab(browser, { width });
    await page.goto(at(`/runs/${fake.seeded.failed.id}?task=extract-tables`));
    const failed = page.getByRole("region", { name: "What failed" });
    await failed.getByText("at attempt 4 of 4").waitFor();
    await failed.getByText("object 12 0 is not a stream").waitFor();
    await page.locator('[data-state="skipped"]:visible').first().waitFor();
    await page.getByRole("tab", { name: "Input and output" }).click();
    await page.getByText("This run ended without an output.").waitFor();
    assert.equal(
      await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth),
      0,
      "the page scrolls sideways",
    );
    await clean(page);
    assert.deepEqual(complaints, []);
    await close();
  }
});

test("cancelling asks first", onlyFake, async () => {
  const { page, complaints, close } = await openTab(browser);
  await page.goto(at(`/runs/${fake.seeded.live.id}`));
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await clean(page);
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the run" }).click();
  await page.locator('[data-run-status="cancelled"]').waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test("an empty control plane: every page says what to do", onlyFake, async () => {
  const empty = await startControlPlane({ scene: "empty" });
  const { page, complaints, close } = await openTab(browser);
  for (const path of ["/", "/pipelines", "/runs", "/services", "/hosts"]) {
    await page.goto(`${empty.base}${path}?token=${empty.token}`);
    await page.getByRole("button", { name: "Copy command" }).first().waitFor();
    await clean(page);
  }
  assert.deepEqual(complaints, []);
  await close();
  await empty.stop();
});

test("a server that goes away: a banner, and back by itself", { ...onlyFake, timeout: 120_000 }, async () => {
  const first = await startControlPlane();
  const { page, complaints, close } = await openTab(browser, { expected: /ERR_|Failed to load/ });
  await page.goto(first.url);
  await page.locator('[data-link="live"]:visible').waitFor();
  await first.stop();
  await page.getByText("Lost connection to the control plane").waitFor(); // src/live/link.test.ts: within 5 s
  await clean(page);
  const second = await startControlPlane({ port: first.port });
  await page.getByText("Reconnected").waitFor({ timeout: 20_000 });
  await page.locator('[data-link="live"]:visible').waitFor();
  assert.deepEqual(complaints, []);
  await close();
  await second.stop();
});

test("X9: a stale tab after an update says that there is a new version", onlyFake, async () => {
  const { page, complaints, close } = await openTab(browser, { expected: /404|dynamically imported module/ });
  await page.goto(at("/"));
  await page.getByRole("heading", { name: "Home" }).waitFor();
  // Another build is there now: the parts of this one are gone, and the page names another script.
  await page.route("**/assets/**", (route) => route.fulfill({ status: 404, body: "gone" }));
  await page.route("**/services", (route) =>
    route.fulfill({ contentType: "text/html", body: '<script type="module" src="/assets/console-NEW.js"></script>' }),
  );
  await page.getByRole("link", { name: "Services", exact: true }).click();
  await page.getByRole("heading", { name: "There is a new version" }).waitFor();
  await clean(page);
  await page.unrouteAll();
  await page.getByRole("button", { name: "Reload for the new version" }).click();
  await page.getByRole("heading", { name: "Services" }).waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test("several control planes: kept in this browser, opened, renamed, removed", onlyFake, async () => {
  const other = await startControlPlane();
  const { page, complaints, close } = await openTab(browser);
  await page.goto(at("/"));
  const menu = page.getByRole("button", { name: "Control planes" });
  const manage = async () => {
    await menu.click();
    await page.getByRole("menuitem", { name: "Manage…" }).click();
    return page.getByRole("dialog", { name: "Control planes" });
  };
  let dialog = await manage();
  await dialog.getByLabel("Name").fill("here");
  await dialog.getByRole("button", { name: "Add" }).click();
  await dialog.getByLabel("Name").fill("canary");
  await dialog.getByLabel("Address").fill("javascript:alert(1)");
  await dialog.getByRole("button", { name: "Add" }).click();
  await dialog.getByText("This is not an address").waitFor();
  await clean(page);
  await dialog.getByLabel("Address").fill(`${other.base}/runs`);
  await dialog.getByRole("button", { name: "Add" }).click();
  await dialog.getByRole("button", { name: "Change canary" }).click();
  await dialog.getByLabel("Name").fill("staging");
  await dialog.getByRole("button", { name: "Keep the change" }).click();
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.reload();
  await menu.click();
  await clean(page);
  await page.getByRole("menuitem", { name: "staging" }).click();
  await page.waitForURL(`${other.base}/`);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.goto(at("/"));
  dialog = await manage();
  await dialog.getByRole("button", { name: "Remove staging" }).click();
  assert.equal(await dialog.getByText("staging").count(), 0);
  assert.deepEqual(complaints, []);
  await close();
  await other.stop();
});
