// The start of the console, and lists that are kept and taken along, against a fake control plane on an ordinary day.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { clean, launch, openTab, sideways } from "./browser.mjs";
import { startControlPlane } from "./fake/controlplane.mjs";

const limit = { timeout: 90_000 };
let browser;
let fake;

before(async () => {
  browser = await launch();
  fake = await startControlPlane({ scene: "show" });
});
after(async () => {
  await browser?.close();
  await fake?.stop();
});

test("home: what needs somebody leads to where it is settled", limit, async () => {
  for (const width of [1280, 360]) {
    const { page, complaints, close } = await openTab(browser, { width });
    await page.goto(fake.at("/"));
    const list = page.getByRole("region", { name: "Needs attention" });
    await list.getByText("asked to join").waitFor();
    await page.getByRole("img", { name: /^Runs of the last day: \d+, of which \d+ failed/ }).waitFor();
    await page.getByRole("table", { name: "Runs" }).waitFor();
    assert.deepEqual(await sideways(page), []);
    await clean(page);
    assert.deepEqual(complaints, []);
    await close();
  }
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/"));
  const list = page.getByRole("region", { name: "Needs attention" });
  await list.getByText("is served by nobody; its tasks wait").waitFor();
  await list.getByText("rolls out no further").waitFor();
  await list.getByRole("button", { name: /^Show \d more/ }).click();
  await list.getByText("dead letters came in the last day").waitFor();
  // A host that is back is missed no more, without anybody asking for the page again.
  await list.locator('[data-concern="offline hst_5"]').waitFor();
  Object.assign(
    fake.machines.hosts.find((h) => h.id === "hst_5"),
    { status: "online" },
  );
  fake.machines.join("build-06");
  await list.locator('[data-concern="offline hst_5"]').waitFor({ state: "detached" });
  await list.locator('[data-concern="failing customer-sync"]').getByRole("link").click();
  await page.waitForURL(/\/runs\?/);
  for (const part of ["status=failed", "pipeline=customer-sync", "hours=24"])
    assert.ok(page.url().includes(part), part);
  await page.getByRole("table", { name: "Runs" }).locator('[data-state="failed"]').first().waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test("home: the span of the chart stands in the address", limit, async () => {
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/"));
  const runs = page.locator("[data-runs]");
  await runs.waitFor();
  const inADay = Number(await runs.getAttribute("data-runs"));
  await page.getByRole("link", { name: "7 days" }).click();
  await page.waitForURL(/hours=168/);
  await page.getByRole("img", { name: /^Runs of the last week/ }).waitFor();
  await page.waitForFunction((n) => Number(document.querySelector("[data-runs]")?.dataset.runs) > 3 * n, inADay);
  await page.reload();
  await page.getByRole("img", { name: /^Runs of the last week/ }).waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test("home: what cannot be loaded keeps nothing else from being shown", limit, async () => {
  const { page, complaints, close } = await openTab(browser, { expected: /500/ });
  const refuse = (route) =>
    route.fulfill({
      status: 500,
      contentType: "application/json",
      body: JSON.stringify({ error: "the disk is gone", code: "internal", requestId: "req_broken" }),
    });
  const paths = ["**/api/run-counts**", "**/api/v1/hosts"];
  for (const path of paths) await page.route(path, refuse);
  await page.goto(fake.at("/"));
  await page.getByText("The runs could not be counted").waitFor();
  await page.getByText("The hosts could not be loaded").waitFor();
  const list = page.getByRole("region", { name: "Needs attention" });
  await list.getByText("The runs of the last day could not be looked at").waitFor();
  await list.getByText("asked to join").waitFor();
  await page.getByRole("table", { name: "Runs" }).waitFor();
  await clean(page);
  for (const path of paths) await page.unroute(path);
  await list.getByRole("button", { name: "Retry" }).first().click();
  await list.getByRole("button", { name: "Retry" }).last().click();
  await page.getByRole("img", { name: /^Runs of the last day/ }).waitFor();
  await list.getByText("could not be looked at").first().waitFor({ state: "detached" });
  assert.deepEqual(complaints, []);
  await close();
});

test("home: the way to the first run ticks itself off", limit, async () => {
  const fresh = await startControlPlane({ scene: "empty", stepMs: 50 });
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fresh.url);
  const steps = page.locator("[data-start-here] > li");
  await steps.first().getByText("pipedai-orchestrator connect").waitFor();
  await clean(page);
  fresh.machines.join("build-01");
  await steps.first().getByText("build-01 has joined").waitFor();
  fresh.offer();
  await steps.nth(1).getByText("pdf-processor is there").waitFor();
  await steps.nth(2).getByText("pipeweave trigger pdf-processor").waitFor();
  await clean(page);
  await fetch(`${fresh.base}/api/pipelines/pdf-processor/trigger`, {
    method: "POST",
    headers: { authorization: `Bearer ${fresh.token}` },
    body: "{}",
  });
  await page.getByRole("table", { name: "Runs" }).waitFor();
  await page.locator('[data-counter="Completed"]').waitFor();
  assert.deepEqual(complaints, []);
  await close();
  await fresh.stop();
});

test("runs: a view is kept under a name, found again, and forgotten", limit, async () => {
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/runs?status=failed&pipeline=customer-sync"));
  await page.getByRole("table", { name: "Runs" }).waitFor();
  await page.getByRole("button", { name: "Keep this view" }).click();
  const dialog = page.getByRole("dialog", { name: "Keep this view" });
  await dialog.getByText("pipeline customer-sync, status failed").waitFor();
  await clean(page);
  await dialog.getByLabel("Name").fill("Broken sync");
  await page.keyboard.press("Enter");
  const mine = page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Broken sync" });
  await mine.waitFor();
  assert.equal(await page.getByRole("button", { name: "Keep this view" }).count(), 0, "it is kept already");
  await page.getByRole("link", { name: "All", exact: true }).click();
  await page.waitForURL((url) => url.search === "");
  await page.reload();
  await mine.click();
  await page.waitForURL(/pipeline=customer-sync/);
  assert.equal(await mine.getAttribute("aria-current"), "page");
  await page.locator('[data-state="failed"]').first().waitFor();
  await clean(page);
  await page.setViewportSize({ width: 360, height: 740 });
  assert.deepEqual(await sideways(page), []);
  await page.getByRole("button", { name: "Forget a view" }).click();
  await page.getByRole("menuitem", { name: "Forget Broken sync" }).click();
  await mine.waitFor({ state: "detached" });
  assert.match(page.url(), /pipeline=customer-sync/, "the filter went with the view");
  assert.deepEqual(complaints, []);
  await close();
});

test("runs and audit lines are taken along as files, all pages of what the filter admits", limit, async () => {
  const { page, complaints, close } = await openTab(browser);
  await page.addInitScript(() => localStorage.setItem("zone", "Asia/Kolkata"));
  await page.goto(fake.at("/runs?status=failed"));
  await page.getByRole("table", { name: "Runs" }).waitFor();
  const take = async (what, how) => {
    await page.getByRole("button", { name: `Download the ${what}` }).click();
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page
        .getByText(new RegExp(`^${what}\\.\\w+ has \\d+ rows`))
        .first()
        .waitFor(),
      page.getByRole("menuitem", { name: how }).click(),
    ]);
    return [file.suggestedFilename(), readFileSync(await file.path(), "utf8")];
  };
  const [name, csv] = await take("runs", /CSV/);
  assert.equal(name, "runs.csv");
  const lines = csv.trimEnd().split("\r\n");
  assert.match(lines[0], /^run,pipeline,version,state,by,created \(Asia\/Kolkata\),/);
  assert.ok(lines.length > 26, `only ${lines.length - 1} runs`); // more than the page shows
  assert.ok(lines.slice(1).every((l) => l.includes(",failed,")));
  assert.match(lines[1], /,\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,/);
  await clean(page);
  await page.goto(fake.at("/audit"));
  await page.getByRole("table", { name: "Audit log" }).waitFor();
  const [, ndjson] = await take("audit", /NDJSON/);
  const records = ndjson
    .trimEnd()
    .split("\n")
    .map((l) => JSON.parse(l));
  assert.ok(records.length >= 11, `only ${records.length} lines`);
  assert.ok(records.some((r) => r.action === "host.pause" && r.detail === "new disk on Friday"));
  assert.deepEqual(complaints, []);
  await close();
});
