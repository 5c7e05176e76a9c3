// The views of the dashboard in a real browser, with a fake daemon.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { clean, launch, openTab } from "./browser.mjs";
import { startDaemon } from "./fake/daemon.mjs";
import { operation } from "./fake/host.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
});

/** A daemon and a tab at one of its views; what the page complained about is looked at in the end. */
function scene(name, { daemon: of = {}, tab = {} }, body) {
  test(name, { timeout: 90_000 }, async () => {
    const daemon = await startDaemon(of);
    const { page, complaints, close } = await openTab(browser, tab);
    try {
      await body(page, daemon);
      assert.deepEqual(complaints, []);
    } finally {
      await close();
      await daemon.stop();
    }
  });
}

scene(
  "the overview: what needs attention, the host, its links, workers and events",
  { daemon: { scene: "crowd" } },
  async (page, daemon) => {
    await page.goto(daemon.url);
    await page.getByText("mailer cannot be started").waitFor();
    await page.getByText("The clock of this host is 41 s ahead.").waitFor();
    await page.getByText("88 %").waitFor();
    await page.getByRole("link", { name: "mailer" }).waitFor();
    await clean(page);
    daemon.host.happen("link.lost", { apiUrl: "http://127.0.0.1:3000", error: "connection refused just now" });
    await page.getByText("connection refused just now").first().waitFor();
    const op = operation("op_1", "upgrade", ["check", "fetch", "drain"], { workerId: daemon.workers[0].id });
    daemon.host.operations.unshift(op);
    await page.reload();
    await page.locator('[data-operation="op_1"]').waitFor();
    daemon.host.tell(op, { step: "fetch", progress: 33 });
    await page.locator('[data-operation="op_1"] [aria-current=step]', { hasText: "fetch" }).waitFor();
    await clean(page);
    await page.getByRole("button", { name: /^Cancel: Upgrade pdf-processor/ }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Take it back" }).click();
    await page.getByText("It is being taken back").first().waitFor();
    await page.locator('[data-operation="op_1"] [data-state="undoing"]').waitFor();
  },
);

scene(
  "not connected: the command, what is shared, and it goes on by itself",
  { daemon: { scene: "empty" } },
  async (page, daemon) => {
    await page.goto(daemon.url);
    await page.getByRole("heading", { name: "This host is not connected" }).waitFor();
    await page.getByText("pipedai-orchestrator connect --api-url https://api.example.com").waitFor();
    await page.getByText("The host tells the control plane").waitFor();
    await page.getByRole("button", { name: "Copy command" }).first().click();
    await clean(page);
    const other = await startDaemon();
    Object.assign(daemon.self, other.self);
    daemon.workers.push(...other.workers);
    await other.stop();
    daemon.host.status();
    daemon.host.happen("link.recovered");
    await page.getByRole("heading", { name: "This host is not connected" }).waitFor({ state: "detached" });
    await page.getByRole("link", { name: "pdf-processor" }).waitFor();
  },
);

scene(
  "waiting for approval: the code, the address and how long",
  { daemon: { scene: "pending" } },
  async (page, daemon) => {
    await page.goto(daemon.url);
    await page.getByRole("heading", { name: /^Waiting for somebody to approve/ }).waitFor();
    await page.getByText("WDJB-MJHT", { exact: true }).waitFor();
    await page.getByRole("link", { name: "https://api.example.com/activate" }).waitFor();
    await page.getByText(/the code expires in 8 m/).waitFor();
    await page.getByRole("img", { name: "QR code of https://api.example.com/activate" }).waitFor();
    await clean(page);
  },
);

scene(
  "revoked: what becomes of the workers, and the command to connect again",
  { daemon: { scene: "revoked" } },
  async (page, daemon) => {
    await page.goto(daemon.url);
    await page.getByRole("heading", { name: "The control plane revoked this host" }).waitFor();
    await page.getByText(/A run in hand is finished first/).waitFor();
    await page.getByText("pipedai-orchestrator connect --api-url http://127.0.0.1:3000").waitFor();
    await clean(page);
  },
);

scene("workers: search and order stand in the address", { daemon: { scene: "crowd" } }, async (page, daemon) => {
  await page.goto(daemon.at("workers"));
  const names = () => page.locator("tr[data-worker] a[data-row]").allInnerTexts();
  await page.locator("tr[data-worker]").first().waitFor();
  await page.getByRole("button", { name: "On this host" }).click();
  assert.deepEqual((await names()).slice(0, 2), ["mailer", "ocr"]);
  await page.getByRole("button", { name: "Worker", exact: true }).click();
  assert.equal((await names())[0], "archiver");
  await page.getByRole("button", { name: "Worker", exact: true }).click();
  assert.equal((await names())[0], "pdf-processor");
  await page.getByRole("searchbox", { name: "Search workers" }).fill("backing");
  assert.deepEqual(await names(), ["ocr"]);
  await page.reload();
  await page.locator("tr[data-worker]").first().waitFor();
  assert.deepEqual(await names(), ["ocr"]);
  await clean(page);
});

scene(
  "a worker: its settings are changed, and no value of its environment is shown",
  { daemon: { scene: "crowd" } },
  async (page, daemon) => {
    const id = daemon.workers[1].id;
    await page.goto(daemon.at(`workers/${id}`));
    await page.getByText("API_TOKEN").waitFor();
    // What the daemon remembers is there before the page has measured anything itself.
    await page.getByRole("img", { name: /^Memory lately/ }).waitFor({ timeout: 4_000 });
    await page.getByText("the kernel ended it for lack of memory").waitFor();
    await clean(page);
    await page.getByRole("button", { name: "Change" }).click();
    const dialog = page.getByRole("dialog");
    assert.equal(await dialog.getByLabel("Memory").inputValue(), "2GiB");
    assert.ok(await dialog.getByRole("button", { name: "Save" }).isDisabled());
    await dialog.getByLabel("Processors").fill("many");
    await dialog.getByText("A number of processors, such as 1.5").waitFor();
    await dialog.getByLabel("Processors").fill("3");
    await clean(page);
    await dialog.getByRole("button", { name: "Save" }).click();
    await page.getByText("image-resizer was changed").waitFor();
    await page.getByText("3", { exact: true }).waitFor();
  },
);

scene(
  "a worker: its runs, live, and the one that is chosen stands in the address",
  { daemon: { scene: "crowd" } },
  async (page, daemon) => {
    await page.goto(daemon.at(`workers/${daemon.workers[1].id}/runs`));
    await page.getByText("The report is summed up.").waitFor();
    await page.getByText("I read the document first.").waitFor();
    await page.getByText('Read {"path":"in/report.pdf"').waitFor();
    await page.getByRole("button", { name: /trun_0192f3c4a000/ }).click();
    assert.match(page.url(), /run=trun_0192f3c4a000/);
    await clean(page);
  },
);

scene(
  "an upgrade with live steps, and back again",
  { daemon: { scene: "crowd", stepMs: 50, holdAt: "drain" } },
  async (page, daemon) => {
    await page.goto(daemon.at("upgrades"));
    await page.getByText("version 0.2.0 was taken back").waitFor();
    await clean(page);
    const row = page.locator("tr[data-worker]", { hasText: "image-resizer" });
    await row.getByRole("button", { name: /^Upgrade/ }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("One run is in flight").waitFor();
    const plan = dialog.getByRole("region", { name: "What would change" });
    for (const words of ["0.1.0 → 0.2.0", "18 MiB", "Faster claims."]) await plan.getByText(words).waitFor();
    await clean(page);
    await dialog.getByRole("button", { name: "Upgrade to 0.2.0" }).click();
    await page.locator("[aria-current=step]", { hasText: "drain" }).waitFor();
    daemon.host.letGo();
    await page.getByRole("heading", { name: "Under way" }).waitFor({ state: "detached" });
    await row.getByText("0.2.0").waitFor();
    await row.getByRole("button", { name: /^Roll back/ }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Go back to 0.1.0" }).click();
    await row.getByText("behind 0.2.0").waitFor();
  },
);

scene(
  "the daemon upgrades itself: it goes away, comes back, and the page offers its new version",
  {
    daemon: { scene: "crowd" },
    tab: { expected: /ERR_CONNECTION|WebSocket|409/ },
  },
  async (page, daemon) => {
    await page.goto(daemon.url);
    await page.getByRole("link", { name: "Daemon 0.2.0 is out" }).click();
    daemon.self.cannot = "0.2.0 did not do on this host";
    await page.getByRole("button", { name: "Upgrade to 0.2.0" }).click();
    const failed = page.getByRole("dialog").getByRole("alert");
    await failed.getByText("0.2.0 did not do on this host").waitFor();
    daemon.self.cannot = undefined;
    await failed.getByRole("button", { name: "Retry" }).click();
    await page.getByRole("region", { name: "What would change" }).getByText("40 MiB").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Upgrade the daemon" }).click();
    const step = page.locator("[aria-current=step]");
    await step.getByText("check").waitFor();
    daemon.host.tell(daemon.host.operations[0], { step: "rehearse", progress: 40 });
    await step.getByText("rehearse").waitFor();
    await clean(page);
    await page.getByRole("link", { name: "Upgrading the daemon" }).waitFor();
    await daemon.stop();
    await page.getByText("It is being upgraded and comes back by itself").waitFor();
    const next = await startDaemon({ scene: "crowd", port: daemon.port });
    Object.assign(next.self, { version: "0.2.0", build: "d4e5f6", stale: false });
    await page.getByText("Reconnected").waitFor({ timeout: 20_000 });
    await page.getByRole("button", { name: "Reload for the new version" }).waitFor();
    await page.getByText("this is what runs").waitFor();
    await next.stop();
  },
);

scene(
  "connectivity: the timeline, every probe, and what is in the way",
  { daemon: { scene: "crowd" } },
  async (page, daemon) => {
    await page.goto(daemon.url);
    await page.locator('[data-verdict="online"]').click();
    await page.getByRole("img", { name: /^Online .* % of the last/ }).waitFor();
    await clean(page);
    await page.getByRole("button", { name: "Look now" }).click();
    await page.getByText("1 of 3 checks failed").waitFor();
    await page.getByText("pipeweave serve").waitFor();
    await clean(page);
    // Whoever comes while something is in the way need not press the button.
    daemon.host.look("offline");
    await page.locator('[data-verdict="offline"]').waitFor();
    await page.reload();
    await page.getByText("1 of 3 checks failed").waitFor();
    await page.getByLabel("Only problems").check();
    await page.getByText(/of 39 probes|of 40 probes/).waitFor();
  },
);

scene("adopt: what was found, take over, give back", { daemon: { scene: "crowd" } }, async (page, daemon) => {
  await page.goto(daemon.at("adopt"));
  await page.getByText("it is no JSON object").waitFor();
  await clean(page);
  await page.getByRole("button", { name: "Adopt default" }).click();
  await page.getByText("default was adopted").waitFor();
  await page.getByRole("button", { name: "Take over box" }).click();
  await page.getByRole("dialog").getByText("the unit pipedai-worker-box.service is disabled and stopped").waitFor();
  await clean(page);
  await page.getByRole("dialog").getByRole("button", { name: "Take it over" }).click();
  await page.getByText("box was taken over").waitFor();
  await page.getByRole("button", { name: "Give back box" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Give it back" }).click();
  await page.getByText("box was given back").waitFor();
});

scene("a worker is built without a token", { daemon: {}, tab: { expected: /409/ } }, async (page, daemon) => {
  await page.goto(daemon.at("workers"));
  await page.getByRole("button", { name: "Build worker" }).click();
  const dialog = page.getByRole("dialog");
  assert.equal(await dialog.getByLabel("Control plane").inputValue(), "http://127.0.0.1:3000");
  await dialog.getByLabel("Label").fill("taken");
  await dialog.getByRole("button", { name: "Build", exact: true }).click();
  await dialog.getByRole("alert").getByText("the label is taken").waitFor();
  await clean(page);
  await dialog.getByLabel("Label").fill("fresh");
  await dialog.getByRole("button", { name: "Build", exact: true }).click();
  await page.getByText("fresh was built").waitFor();
  await page.getByRole("heading", { name: "fresh", level: 1 }).waitFor();
  assert.match(page.url(), /#\/workers\/wrk_new1$/);
});

scene(
  "X2: a part that fails says so and can be tried again; the others go on",
  {
    daemon: { scene: "crowd" },
    tab: { expected: /500/ },
  },
  async (page, daemon) => {
    daemon.host.broken.add("/api/operations").add("/api/connectivity");
    await page.goto(daemon.at("upgrades"));
    const failed = page.getByRole("alert").filter({ hasText: "The history could not be loaded" });
    await failed.getByText("req_broken").waitFor();
    await page.locator("tr[data-worker]").first().waitFor();
    await clean(page);
    daemon.host.broken.clear();
    await failed.getByRole("button", { name: "Retry" }).click();
    await page.getByText("version 0.2.0 was taken back").waitFor();
  },
);

scene("settings, an address that leads nowhere, and a worker that is gone", { daemon: {} }, async (page, daemon) => {
  await page.goto(daemon.at("settings"));
  await page.getByRole("heading", { name: "This page" }).waitFor();
  await page.getByText("stopGrace", { exact: true }).waitFor();
  await page.getByLabel("Only what was chosen").check();
  await page.getByText("port", { exact: true }).waitFor({ state: "detached" });
  await clean(page);
  await page.goto(daemon.at("moon"));
  await page.getByText("There is nothing at this address").waitFor();
  await page.goto(daemon.at("workers/wrk_gone/log"));
  await page.getByText("This host has no such worker").waitFor();
  await clean(page);
});

scene(
  "names that somebody hostile chose break nothing",
  { daemon: { scene: "crowd" }, tab: { width: 360, height: 740 } },
  async (page, daemon) => {
    const names = ["<img src=x onerror=alert(1)>", "\u202Edlrow\u202C olleh", "x".repeat(10_000), "a b\tc\n"];
    daemon.workers.forEach((w, i) => {
      w.label = names[i % names.length];
    });
    daemon.self.hostname = "h".repeat(300);
    for (const view of ["", "workers", `workers/${daemon.workers[2].id}`, "upgrades"]) {
      await page.goto(daemon.at(view));
      await page.locator("main a[data-row], main [role=tablist]").first().waitFor();
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth), 0, view);
      assert.equal(await page.locator("img[src=x]").count(), 0);
    }
  },
);

scene(
  "X9: a stale tab after an update says that there is a new version, and goes on where it was going",
  { daemon: { scene: "crowd" }, tab: { expected: /404|dynamically imported module/ } },
  async (page, daemon) => {
    await page.goto(daemon.at("workers"));
    await page.locator("tr[data-worker]").first().waitFor();
    // Another build is there now: the parts of this one are gone, and the page names another script.
    await page.route("**/assets/**", (route) => route.fulfill({ status: 404, body: "gone" }));
    await page.route(`${daemon.base}/`, (route) =>
      route.fulfill({
        contentType: "text/html",
        body: '<script type="module" src="/assets/dashboard-NEW.js"></script>',
      }),
    );
    await page.getByRole("link", { name: "Connectivity", exact: true }).first().click();
    await page.getByRole("heading", { name: "There is a new version" }).waitFor();
    await clean(page);
    await page.unrouteAll();
    await page.getByRole("button", { name: "Reload for the new version" }).click();
    await page.getByRole("heading", { name: "Now" }).waitFor();
    assert.match(page.url(), /#\/connectivity$/);
  },
);
