// The pages about work against a fake control plane: runs in time, replay, forms, dead letters, the queue, code versions,
// storage; and what is large. Each screen is looked at with axe in both themes, and at the width of a phone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { clean, compiled, launch, openTab, sideways } from "./browser.mjs";
import { startControlPlane } from "./fake/controlplane.mjs";

const limit = { timeout: 90_000 };
let browser;
let fake;

before(async () => {
  browser = await launch();
  fake = await startControlPlane();
});
after(async () => {
  await browser?.close();
  await fake?.stop();
});

test("the time line tells kinds apart without colour, and the address keeps what is shown", limit, async () => {
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at(`/runs/${fake.seeded.failed.id}`));
  await page.getByRole("tab", { name: "Timeline" }).click();
  const row = page.locator('[data-timeline="extract-tables"]');
  for (const kind of ["waiting", "queued", "running", "backoff"])
    await row.locator(`[data-kind="${kind}"]`).first().waitFor({ state: "attached" });
  assert.match((await row.getAttribute("aria-label")) ?? "", /Failed\. waits .*, queued .*, running .*, backs off/);
  await page.getByRole("button", { name: "Zoom in" }).click();
  await page.waitForURL(/from=\d+.*to=\d+/);
  await page.reload();
  await page.getByRole("button", { name: "Zoom out" }).click();
  await page.waitForURL((url) => !url.search.includes("from="));
  await row.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Task extract-tables" }).waitFor();
  assert.match(page.url(), /tab=timeline/);
  assert.match(page.url(), /task=extract-tables/);
  assert.deepEqual(complaints, []);
  await close();
});

test("X6: one of two attempts that are days apart has an axis of its own", limit, async () => {
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at(`/runs/${fake.seeded.replayed.id}?tab=timeline`));
  await page.getByText(/3 d of 3 d/).waitFor();
  await page.getByLabel("Attempt").selectOption("last");
  await page.waitForURL(/attempt=last/);
  await page.getByLabel("Attempt").selectOption("3");
  await page.getByText(/^4 rows, \d+(\.\d)? s of/).waitFor();
  const bar = await page.locator('[data-timeline="extract-text"] [data-kind="running"]').boundingBox();
  assert.ok(bar.width > 100, "the attempt does not fill the axis");
  assert.deepEqual(complaints, []);
  await close();
});

test("events of a task that runs come as they are told", limit, async () => {
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at(`/runs/${fake.seeded.live.id}?tab=events`));
  await page.getByLabel("Task").selectOption("extract-text");
  const events = page.locator("[data-event]");
  await events.nth(2).waitFor();
  const before = await events.count();
  await events.nth(before).waitFor();
  await page.getByText("<b>of</b>").first().waitFor();
  await page.getByLabel("Type of event").selectOption("stderr");
  await page.locator('[data-event="assistant"]').first().waitFor({ state: "detached" });
  assert.deepEqual(complaints, []);
  await close();
});

test("a replay says first what runs again", limit, async () => {
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at(`/runs/${fake.seeded.failed.id}`));
  await page.getByRole("button", { name: "Replay what broke" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("1 task will run at once").waitFor();
  await dialog.getByText("extract-tables").waitFor();
  await dialog.getByText("should do no harm twice").waitFor();
  await dialog.getByText("2 tasks completed and stay").waitFor();
  await clean(page);
  await dialog.getByLabel("Everything, from the start, as a new run").check();
  await dialog.getByText("A new run of 4 tasks begins").waitFor();
  await dialog.getByRole("button", { name: "Go on to the input" }).click();
  await page.getByRole("button", { name: "Start the run" }).waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Close", exact: true }).last().click();
  await page.getByRole("button", { name: "Replay what broke" }).click();
  await dialog.getByText("1 task will run at once").waitFor();
  await dialog.getByRole("button", { name: "Replay", exact: true }).click();
  await page.locator('[data-run-status="running"]').waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test("a form from the schema: errors of the server at their fields, a file, JSON and back", limit, async () => {
  const { page, complaints, close } = await openTab(browser, { expected: /400/ });
  await page.goto(fake.at("/pipelines/pdf-processor"));
  await page.getByRole("button", { name: "Run", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Pages").fill("1.5");
  await dialog.getByLabel("E-mail").fill("nobody");
  await dialog.getByRole("button", { name: "Dry run" }).click();
  await dialog.getByText("The pipeline is fine, the input is not.").waitFor();
  await dialog.getByRole("button", { name: "Start the run" }).click();
  await dialog.getByText("3 fields of the input are wrong").waitFor();
  await dialog.getByText("Must be an integer").waitFor();
  await dialog.getByText("Invalid email address").waitFor();
  assert.equal(await dialog.getByLabel("Document").getAttribute("aria-invalid"), "true");
  await clean(page);

  await dialog.getByLabel("Document").fill("https://example.org/a.pdf");
  await dialog.getByLabel("Pages").fill("12");
  await dialog.getByLabel("E-mail").fill("ada@example.org");
  await dialog.getByLabel("How").selectOption({ label: "Exact" });
  await dialog.getByLabel("Why exact").fill("because");
  await dialog.getByRole("button", { name: "Add" }).click();
  await dialog.getByLabel("Tag 1").fill("urgent");
  await dialog
    .getByLabel("Cover")
    .setInputFiles({ name: "cover.txt", mimeType: "text/plain", buffer: Buffer.from("hello there") });
  await dialog.getByText("cover.txt, 11 B").waitFor();
  await dialog.getByRole("button", { name: "Write it as JSON" }).click();
  const written = JSON.parse(await dialog.getByLabel("Input, as JSON").inputValue());
  assert.deepEqual(written, {
    extractTables: true,
    pdfUrl: "https://example.org/a.pdf",
    pages: 12,
    owner: { email: "ada@example.org" },
    mode: "exact",
    reason: "because",
    tags: ["urgent"],
    cover: "tmp_0123456789abcdefghijk",
  });
  await dialog.getByLabel("Input, as JSON").fill(JSON.stringify({ ...written, pages: 13, mode: "fast" }));
  await dialog.getByRole("button", { name: "Fill in the form" }).click();
  assert.equal(await dialog.getByLabel("Pages").inputValue(), "13");
  assert.equal(await dialog.getByLabel("Why exact").count(), 0, "what is not asked for is shown");
  await dialog.getByRole("button", { name: "Start the run" }).click();
  await page.waitForURL(/\/runs\/prun_/);
  assert.deepEqual(complaints, []);
  await close();
});

test("dead letters: many are confirmed by their number, and what was not retried is said", limit, async () => {
  const own = await startControlPlane();
  const { page, complaints, close } = await openTab(browser);
  await page.goto(own.at("/dead-letters"));
  await page.getByRole("button", { name: "Retry 120: failures of extract-tables" }).click();
  const dialog = page.getByRole("dialog");
  const go = dialog.getByRole("button", { name: "Retry 120" });
  assert.ok(await go.isDisabled(), "120 are retried without a word");
  await clean(page);
  // What fails meanwhile is told, and is not what is confirmed.
  own.fail("extract-tables");
  await page.locator('[data-letters="121"]').waitFor();
  await dialog.getByLabel("Type 120 to go on").fill("120");
  await go.click();
  await page.getByRole("heading", { name: "119 retried, 1 not" }).waitFor();
  await page.getByText("DLQ item was already retried").waitFor();
  const left = page.getByRole("region", { name: "Failures of extract-tables" });
  await left.and(page.locator('[data-letters="2"]')).waitFor();
  await left.getByRole("button", { expanded: false }).click();
  await left.getByText("dlq_0192fnew").waitFor();
  await clean(page);
  await page.getByRole("button", { name: "Purge 2: failures of download" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Purge 2" }).click();
  await page.getByText("2 dead letters purged").waitFor();
  await page.getByRole("region", { name: "Failures of download" }).waitFor({ state: "detached" });
  assert.deepEqual(complaints, []);
  await close();
  await own.stop();
});

test("runs: filters live in the address, and new runs do not move the rows", limit, async () => {
  const own = await startControlPlane();
  const { page, complaints, close } = await openTab(browser);
  await page.goto(own.at("/runs"));
  await page.getByRole("table", { name: "Runs" }).waitFor();
  await page.locator('[data-link="live"]:visible').waitFor();
  const first = page.getByRole("table", { name: "Runs" }).locator("a[data-row]").first();
  const before = await first.textContent();
  await fetch(`${own.base}/api/pipelines/pdf-processor/trigger`, {
    method: "POST",
    headers: { authorization: `Bearer ${own.token}`, "content-type": "application/json" },
    body: JSON.stringify({ input: { pdfUrl: "https://x" } }),
  });
  await page.locator('[data-new-runs="1"]').waitFor();
  assert.equal(await first.textContent(), before, "the rows jumped");
  await page.locator("[data-new-runs]").click();
  await page.locator("[data-new-runs]").waitFor({ state: "detached" });
  assert.notEqual(await first.textContent(), before);

  await page.getByPlaceholder("Id, pipeline or error").fill("not a stream");
  await page.waitForURL(/text=not/);
  await page.getByLabel("State").selectOption("failed");
  await page.waitForURL(/status=failed/);
  await page.locator('[aria-busy="false"] [data-state="failed"]').first().waitFor();
  await page.locator('[aria-busy="false"] [data-state="completed"]').first().waitFor({ state: "detached" });
  const rows = await page.getByRole("table", { name: "Runs" }).locator("tbody tr").count();
  await first.click();
  await page.waitForURL(/\/runs\/prun_/);
  await page.goBack();
  await page.locator('[aria-busy="false"] [data-state="failed"]').first().waitFor();
  assert.match(page.url(), /text=not.*status=failed|status=failed.*text=not/);
  assert.equal(await page.getByPlaceholder("Id, pipeline or error").inputValue(), "not a stream");
  assert.equal(await page.getByRole("table", { name: "Runs" }).locator("tbody tr").count(), rows);
  assert.deepEqual(complaints, []);
  await close();
  await own.stop();
});

test("services: who serves each, and what helps where nobody does", limit, async () => {
  const own = await startControlPlane({ scene: "show" });
  const { page, complaints, close } = await openTab(browser);
  await page.goto(own.at("/services"));
  const pdf = page.locator('[data-service="pdf-processor"]');
  await pdf.getByText("1 of 3 still runs 2.3.0").waitFor();
  assert.match((await pdf.getByRole("link", { name: /^A rollout of/ }).getAttribute("href")) ?? "", /\/rollouts\/./);
  const unserved = page.locator('[data-service="video-transcode"]');
  await unserved.getByText("Nobody serves it").waitFor();
  await unserved.getByText("pipedai-orchestrator status").waitFor();
  await pdf.getByRole("button", { expanded: false }).click();
  const busy = pdf.getByRole("table", { name: "Who serves pdf-processor" }).locator("[data-instance]").first();
  await busy.getByText("Busy").waitFor();
  await busy.getByRole("link", { name: "extract-text" }).waitFor();
  await busy.getByRole("link", { name: "build-01" }).click();
  await page.waitForURL(/\/hosts\?.*q=wrk_/);
  assert.deepEqual(complaints, []);
  await close();
  await own.stop();
});

test("two versions of the code stand beside each other, and lead to their runs", limit, async () => {
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/tasks/download"));
  const pair = page.getByRole("table", { name: "Two versions beside each other" });
  await pair.getByLabel("Version on the left").selectOption("1");
  await page.waitForURL(/left=1/);
  await pair.locator('tr[data-differs="true"]').getByText("1.0.0").waitFor();
  await page.getByText("The code differs.").waitFor();
  await pair.getByRole("link", { name: /of version 3/ }).click();
  await page.getByRole("heading", { name: "Runs with version 3" }).waitFor();
  assert.match(page.url(), /left=1/);
  assert.deepEqual(complaints, []);
  await close();
});

test("maintenance: asked for with a reason, told on every page, waited for, and ended", limit, async (t) => {
  const own = await startControlPlane();
  t.after(() => own.stop());
  const { page, complaints, close } = await openTab(browser);
  await page.goto(own.at("/queue"));
  await page.getByRole("button", { name: "Ask for maintenance" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Why").fill("new <b>disk</b>");
  await dialog.getByText("The same from a").click();
  await dialog.getByText("pipeweave maintenance request --reason 'new <b>disk</b>' --wait").waitFor();
  await clean(page);
  await dialog.getByRole("button", { name: "Accept no more work" }).click();
  await page.locator('[data-mode="waiting_for_maintenance"]').getByText("new <b>disk</b>").waitFor();
  await page.getByText("Waits for 3 task runs: 1 running, 2 queued").waitFor();
  assert.deepEqual(await sideways(page), []);
  await page.getByRole("link", { name: "Runs", exact: true }).click();
  await page.locator('[data-mode="maintenance"]').getByText("bootstrap admin").waitFor();
  await clean(page);
  await page.getByRole("link", { name: "See what is left" }).click();
  await page.getByRole("button", { name: "End maintenance" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Accept work again" }).click();
  await page.locator("[data-mode]").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Ask for maintenance" }).waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test("storage: folders, and a large object a part at a time", limit, async () => {
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/storage"));
  await page.getByRole("link", { name: "runs/" }).click();
  await page.getByRole("link", { name: `${fake.seeded.short.id}/` }).click();
  await page.getByRole("link", { name: "assets/" }).click();
  await page.getByRole("link", { name: "large.txt" }).click();
  await page.getByText(/bytes 0 to 256000 of 690000/).waitFor();
  await page.getByRole("button", { name: "Next", exact: true }).click();
  await page.waitForURL(/at=256000/);
  await page.getByText(/bytes 256000 to 512000/).waitFor();
  await clean(page);
  await page.getByLabel("Backend").selectOption("archive");
  await page.getByText("The storage is empty").waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test("X2: a part that fails says so, and the rest goes on", limit, async () => {
  const { page, close } = await openTab(browser, { expected: /50\d|Failed to load/ });
  await page.route("**/api/recent-runs*", (route) =>
    route.fulfill({
      status: 500,
      headers: { "x-request-id": "req_broken" },
      contentType: "application/json",
      body: JSON.stringify({ error: "Failed to list recent runs", code: "internal", requestId: "req_broken" }),
    }),
  );
  await page.goto(fake.at("/pipelines"));
  await page.getByRole("table", { name: "Pipelines" }).waitFor();
  await page.getByText("How their last runs went could not be loaded").waitFor({ timeout: 30_000 });
  await page.getByText("req_broken").waitFor();
  await page.unroute("**/api/recent-runs*");
  await page.getByRole("button", { name: "Retry" }).click();
  await page.getByText("How their last runs went could not be loaded").waitFor({ state: "detached" });
  await clean(page);
  await close();
});

test("X8: who may only look sees no buttons that change something", limit, async () => {
  const own = await startControlPlane();
  own.session.role = "viewer";
  const { page, complaints, close } = await openTab(browser);
  await page.goto(own.at(`/runs/${own.seeded.failed.id}`));
  await page.locator('[data-run-status="failed"]').waitFor();
  assert.equal(await page.getByRole("button", { name: /Replay|Run again|Cancel/ }).count(), 0);
  await page.goto(own.at("/dead-letters"));
  await page.locator("[data-letters]").first().waitFor();
  assert.equal(await page.getByRole("button", { name: /^(Retry|Purge)/ }).count(), 0);
  assert.deepEqual(complaints, []);
  await close();
  await own.stop();
});

test("X5: a run of 10,000 tasks and a graph of 500 stay interactive", { timeout: 180_000 }, async (t) => {
  const large = await startControlPlane({ scene: "large" });
  const own = await launch([compiled]);
  // A failure must not keep the file from ending.
  t.after(() => Promise.all([large.stop(), own.close()]));
  const { page, complaints } = await openTab(own, { motion: true });
  // How long the page was busy in one go, the longest time.
  await page.addInitScript(() => {
    window.longest = 0;
    new PerformanceObserver((list) => {
      for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
    }).observe({ type: "longtask" });
  });
  const { wide, dense } = large.seeded;
  await page.goto(large.at(`/runs/${wide.id}?tab=timeline`));
  await page.locator('[data-timeline="page"]').waitFor();
  await page.getByText("×10000").waitFor();
  await page.locator('[data-timeline="page"]').click();
  await page.locator('[data-timeline="page-00000"]').waitFor();
  assert.ok((await page.locator("[data-timeline]").count()) < 200, "all rows are in the page");
  await page.locator('[data-timeline="page-00000"]').focus();
  await page.keyboard.press("End");
  await page.locator('[data-timeline="page-09999"]').waitFor();
  await clean(page);
  await page.getByRole("tab", { name: /^Tasks/ }).click();
  await page.getByLabel("State").selectOption("failed");
  await page.getByText("100 tasks", { exact: true }).waitFor();
  await page.getByRole("tab", { name: "Graph" }).click();
  const pile = page.locator('[data-group="10000"]:visible');
  await pile.getByText("100 failed").waitFor();
  assert.equal(await page.locator("[data-node]:visible").count(), 2, "a fan-out is not drawn as one");
  await clean(page);
  await pile.click();
  await page.waitForURL(/tab=tasks.*find=page|find=page.*tab=tasks/);
  await page.locator('tr[data-task="page-00000"]').waitFor();
  assert.ok((await page.locator("tr[data-task]").count()) < 100, "all rows of the list are in the page");
  await page.goto(large.at(`/runs/${wide.id}?tab=tasks&task=page-07000`));
  await page.locator('tr[data-task="page-07000"][aria-current="true"]').waitFor();

  await page.goto(large.at(`/runs/${dense.id}`));
  await page.locator("[data-node]").first().waitFor();
  // The clock on the wall also counts what else the machine does. How long this takes, half a second on an idle one, says
  // how much that is.
  const pace = await page.evaluate(() => {
    const began = performance.now();
    let x = 0;
    for (let i = 0; i < 1e8; i++) x = (x * 31 + i) | 0;
    return performance.now() - began + (x === 1 ? 1 : 0);
  });
  await page.evaluate(() => {
    window.longest = 0;
  });
  for (const button of ["Zoom in", "Zoom in", "Show the whole graph"])
    await page.getByRole("button", { name: button }).click();
  await page.locator("[data-node]:visible").first().click();
  await page.getByRole("heading", { name: /^Task step-/ }).waitFor();
  await page.locator(".react-flow__minimap").waitFor();
  await page.getByRole("button", { name: "Critical path" }).click();
  await page.getByText(/^Critical path, .*: step-/).waitFor();
  await page.getByPlaceholder("Find a task").fill("step-499");
  await page.getByPlaceholder("Find a task").press("Enter");
  await page.locator('[data-node="step-499"]:focus').waitFor();
  await page.getByText(/^Waits for step-.*ends here\.$/).waitFor();
  assert.ok((await page.locator(".react-flow__node.near").count()) > 4, "what it depends on is not shown");
  const longest = await page.evaluate(() => window.longest);
  const limit = Math.max(2_000, 4 * pace);
  assert.ok(
    longest < limit,
    `the page was busy for ${Math.round(longest)} ms in one go, of at most ${Math.round(limit)}`,
  );
  for (const kind of ["SVG", "PNG"]) {
    await page.getByRole("button", { name: "Save a picture of the graph" }).click();
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("menuitem", { name: `Save as ${kind}` }).click(),
    ]);
    assert.equal(file.suggestedFilename(), `${dense.id}.${kind.toLowerCase()}`);
  }
  assert.deepEqual(complaints, []);
});
