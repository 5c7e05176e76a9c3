// The operating screens of the console in a real browser: hosts, rollouts, releases, tokens, workspaces, audit, roles.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { clean, launch, openTab } from "./browser.mjs";
import { startControlPlane } from "./fake/controlplane.mjs";
import { hostile } from "./fake/fleet.mjs";

let browser;
const running = [];

before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await Promise.all(running.map((s) => s.stop()));
});

const start = async (options) => {
  const fake = await startControlPlane(options);
  running.push(fake);
  return fake;
};
const limit = { timeout: 90_000 };

test("hosts: filters stand in the address, and survive a reload", limit, async () => {
  const fake = await start();
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/hosts"));
  const rows = page.getByRole("table", { name: "Hosts" }).locator("[data-host]");
  await rows.first().waitFor();
  assert.equal(await rows.count(), 4, "revoked hosts are shown only where they are asked for");
  await page.getByLabel("State").selectOption("revoked");
  await page.locator('[data-host="hst_5"]').waitFor();
  await page.getByLabel("State").selectOption("behind");
  await page.locator('[data-host="hst_1"]').getByText("1.4.0 is out").waitFor();
  assert.equal(await rows.count(), 1);
  await page.getByLabel("State").selectOption("");
  await page.keyboard.press("Escape");
  await page.getByRole("searchbox").fill("mac");
  await page.waitForURL(/q=mac/);
  await page.reload();
  await page.locator('[data-host="hst_2"]').getByText("Its clock is 1 m 35 s behind").waitFor();
  assert.equal(await rows.count(), 1);
  assert.deepEqual(complaints, []);
  await close();
});

test("a host is paused with a note, drains before your eyes, and is resumed", limit, async () => {
  const fake = await start();
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/hosts/hst_1"));
  await page.getByRole("button", { name: "Pause or drain build-07" }).click();
  const dialog = page.getByRole("dialog", { name: "Pause build-07" });
  await dialog.getByLabel("Why").fill("new disk");
  await dialog.getByLabel("How long").selectOption("7200");
  await clean(page);
  await dialog.getByRole("button", { name: "Pause the host" }).click();
  const pause = page.getByRole("region", { name: "Pause" });
  await pause.getByText("new disk").waitFor();
  await pause.getByText("Draining: 1 run in hand").waitFor();
  await clean(page);
  fake.finishRuns();
  await pause.getByText("Drained: nothing runs on it any more.").waitFor();
  await page.getByRole("button", { name: "Resume build-07" }).click();
  await pause.waitFor({ state: "detached" });
  await page.getByText("host.resume").waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test("revoking a host asks for its name, and says what happens and when", limit, async () => {
  const fake = await start();
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/hosts/hst_1"));
  await page.getByRole("button", { name: "Revoke build-07" }).click();
  const dialog = page.getByRole("dialog", { name: "Revoke build-07?" });
  await dialog.getByText("ends within 5 seconds").waitFor();
  await dialog.getByText("1 run in hand will run elsewhere").waitFor();
  const go = dialog.getByRole("button", { name: "Revoke the host" });
  assert.ok(await go.isDisabled());
  await clean(page);
  await dialog.getByLabel("Type build-07 to go on").fill("build-07");
  await go.click();
  await page.getByText("This host is revoked").waitFor();
  assert.equal(await page.getByRole("button", { name: /Pause|Revoke/ }).count(), 0);
  assert.deepEqual(complaints, []);
  await close();
});

test("workers: disabled and enabled, and their events as they come", limit, async () => {
  const fake = await start();
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/hosts?view=workers"));
  const row = page.locator('[data-worker="wrk_01hzq4k8pdf"]');
  await row.getByRole("button", { name: "Disable build-07" }).click();
  await row.locator('[data-state="disabled"]').waitFor();
  await row.getByRole("button", { name: "Enable build-07" }).click();
  await row.getByRole("button", { name: "Disable build-07" }).waitFor();
  await row.getByRole("button", { name: "build-07", exact: true }).click();
  const drawer = page.getByRole("dialog", { name: "build-07" });
  await drawer.getByText("Could not reach the control plane").waitFor();
  await clean(page);
  fake.sayEvent("wrk_01hzq4k8pdf", { type: "worker.stopped", data: { reason: "upgrade" } });
  await drawer.getByText("Stopped").waitFor({ timeout: 12_000 }); // asking again takes 30 s
  assert.deepEqual(complaints, []);
  await close();
});

test("adding a host: the command, a code that is shown once, and the panel flips by itself", limit, async () => {
  const fake = await start();
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/hosts"));
  await page.getByRole("button", { name: "Add a host" }).click();
  const panel = page.getByRole("region", { name: "Add a host" });
  await panel.getByText(`pipedai-orchestrator connect --api-url ${fake.base}`).waitFor();
  await panel.getByRole("tab", { name: "Nobody sits at it" }).click();
  await panel.getByLabel("Label").fill("rack-9");
  await panel.getByRole("button", { name: "Issue a code" }).click();
  await panel.locator("[data-secret]").getByText("enr_shown-this-once").waitFor();
  await clean(page);
  fake.machines.join("rack-9");
  await panel.getByText("Connected: rack-9").waitFor();
  await page.getByRole("tab", { name: /Joining/ }).click();
  assert.equal(await page.getByRole("table", { name: "Enrolments" }).getByText("enr_shown").count(), 0);
  await page.getByRole("button", { name: "Revoke the code of rack-9" }).click();
  await page.getByRole("button", { name: "Revoke it" }).click();
  await page.locator('[data-enrollment] [data-state="revoked"]').first().waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test("X7: two operators decide at once: the first decision stands, and the other is told", limit, async () => {
  const fake = await start();
  const one = await openTab(browser);
  const two = await openTab(browser, { expected: /409/ });
  for (const { page } of [one, two]) {
    await page.goto(fake.at("/activate?code=WDJB-MJHT"));
    await page.getByText("Debian GNU/Linux 12 (bookworm), amd64").waitFor();
    await page.getByText("pipedai-orchestrator 0.1.0").waitFor();
    await page.getByText("another address than yours").waitFor();
  }
  await clean(one.page);
  // The second one's page does not hear of it before the button is pressed: what it asks for is not answered until then.
  let pressed = false;
  await two.page.route("**/approve", (route) => {
    pressed = true;
    return route.continue();
  });
  await two.page.route("**/api/v1/enrollments/lookup**", (route) => (pressed ? route.continue() : route.abort()));
  await one.page.getByRole("button", { name: "It is not, deny" }).click();
  await one.page.getByText("was denied").waitFor();
  await two.page.getByRole("button", { name: "It is, approve" }).click();
  await two.page.getByText("This was decided before by bootstrap admin").waitFor();
  assert.equal(await two.page.getByRole("button", { name: "It is, approve" }).count(), 0);
  assert.equal(fake.enrollments.find((e) => e.userCode === "WDJB-MJHT").status, "denied");
  await one.close();
  await two.close();
});

test("a host that somebody else let in is told of on every page, and revoked with one press", limit, async () => {
  const fake = await start();
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/tokens"));
  await page.getByRole("table", { name: "Tokens" }).waitFor();
  const notices = page.getByRole("region", { name: "Hosts that joined" });
  fake.machines.join("mine-1"); // the reader let it in, and need not be told
  fake.machines.join(hostile, "mallory");
  fake.machines.join("odd-1", "mallory");
  await notices.getByText("joined from 203.0.113.9, let in by mallory").first().waitFor();
  assert.equal(await notices.locator("[data-joined-host]").count(), 2);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth), 0);
  await clean(page);
  await notices.getByRole("button", { name: "Revoke odd-1" }).click();
  await page.getByText("odd-1 is revoked").waitFor();
  assert.equal(fake.machines.hosts.find((h) => h.name === "odd-1").status, "revoked");
  await notices.getByRole("button", { name: "Put these notices away" }).click();
  await notices.waitFor({ state: "detached" });
  await page.reload();
  await page.getByRole("table", { name: "Tokens" }).waitFor();
  assert.equal(await notices.count(), 0, "what was put away comes back");
  // Who let it in is part of the history of the host.
  await page.goto(fake.at(`/hosts/${fake.machines.hosts.find((h) => h.name === "odd-1").id}`));
  await page.getByRole("region", { name: "Who did what" }).getByText("enrollment.approve").waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test("workers of the pool: facts, disabled and enabled, and deleted", limit, async () => {
  const fake = await start();
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/hosts"));
  await page.getByRole("tab", { name: "Pool" }).click();
  await page.waitForURL(/view=pool/);
  const row = page.locator('[data-worker="wrk_pool0"]');
  await row.getByText("on rack-4.example.org").waitFor();
  await row.getByRole("button", { name: "Disable rack-4" }).click();
  await row.getByText("Disabled by bootstrap admin").waitFor();
  await row.getByRole("button", { name: "Enable rack-4" }).click();
  await row.getByRole("button", { name: "More for rack-4" }).click();
  await page.getByRole("menuitem", { name: "Delete…" }).click();
  await page.getByRole("dialog").getByText("The run in hand runs elsewhere").waitFor();
  await page.getByRole("button", { name: "Delete the worker" }).click();
  await row.waitFor({ state: "detached" });
  await page.getByText("Admit another one").click();
  await page.getByText("pipeweave tokens create rack-4 --kind pool > pool.token").waitFor();
  await clean(page);
  assert.deepEqual(complaints, []);
  await close();
});

test("a rollout: preview, start, progress as it comes, pause, abort", limit, async () => {
  const fake = await start();
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/releases"));
  await page.getByRole("link", { name: "Roll out pipedai-worker 1.5.0" }).click();
  const dialog = page.getByRole("dialog", { name: "Start a rollout" });
  await dialog.getByText("It is about 3 hosts").waitFor();
  await dialog.getByText("2 hosts left out").waitFor();
  await dialog.getByText(/signed by .* published .* by ada, good until/).waitFor();
  await dialog.getByText("11 MiB").first().waitFor();
  assert.ok(await dialog.getByRole("button", { name: "Start the rollout" }).isDisabled(), "the fleet is asked twice");
  await clean(page);
  await dialog.getByLabel("gpu-01").check();
  await dialog.getByLabel("build-07").check();
  await dialog.getByText("It is about 2 hosts").waitFor();
  await dialog.getByLabel("May fail").fill("1");
  await dialog.getByRole("button", { name: "Start the rollout" }).click();
  await page.waitForURL(/\/rollouts\/rol_/);
  await page.locator('[data-rollout-status="running"]').waitFor();
  await page.getByText("drain: waits for 1 run").waitFor();
  const live = fake.machines.rollouts[0];
  Object.assign(live.targets[0], { state: "succeeded", step: "", message: "" });
  fake.machines.moved(live, "rollout.step");
  await page.locator('[data-target-state="succeeded"]').waitFor({ timeout: 4_500 }); // asking again takes 5 s
  await page.getByRole("button", { name: "Pause" }).click();
  await page.locator('[data-rollout-status="paused"]').waitFor();
  await page.getByRole("button", { name: "Abort" }).click();
  await page.getByRole("button", { name: "Abort the rollout" }).click();
  await page.locator('[data-rollout-status="aborted"]').waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test("a rollout that stopped says which host and why, and is taken back", limit, async () => {
  const fake = await start();
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/rollouts/rol_1"));
  const why = page.getByRole("region", { name: "Why it stopped" });
  await why.getByText("mac-02").waitFor();
  await why.getByText("did not become ready in 30 s").waitFor();
  await page.getByRole("button", { name: "Roll back" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("It is about 1 host").waitFor();
  await clean(page);
  await dialog.getByRole("button", { name: "Roll back" }).click();
  await page.getByRole("heading", { name: /back from/ }).waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test("a release is looked at and yanked with a reason", limit, async () => {
  const fake = await start();
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/releases"));
  await page
    .getByRole("list", { name: /Release keys/ })
    .getByText("Signs")
    .waitFor();
  await page.getByRole("button", { name: "1.5.0", exact: true }).click();
  await page.waitForURL(/open=/);
  await page.getByRole("button", { name: "Yank this version" }).click();
  const dialog = page.getByRole("dialog", { name: "Yank pipedai-worker 1.5.0?" });
  await dialog.getByRole("button", { name: "Yank the version" }).click();
  await dialog.getByText("Say why").waitFor();
  await clean(page);
  await dialog.getByLabel("Reason").fill("it crashes");
  await dialog.getByRole("button", { name: "Yank the version" }).click();
  await page.locator('[data-release="pipedai-worker/1.5.0/stable"] [data-state="yanked"]').waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test("a token is shown once, and revoked; the one in use stays", limit, async () => {
  const fake = await start();
  const { page, complaints, close } = await openTab(browser, { expected: /409/ });
  await page.goto(fake.at("/tokens"));
  await page.getByRole("button", { name: "Create a token" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Create the token" }).click();
  await dialog.getByText("Give it a name.").waitFor();
  await dialog.getByLabel("Name").fill("deploys");
  await dialog.getByLabel("Role").selectOption("operator");
  await clean(page);
  await dialog.getByRole("button", { name: "Create the token" }).click();
  await dialog.locator("[data-secret]").getByText("pwk_shown-this-once").waitFor();
  await clean(page);
  await dialog.getByRole("button", { name: "I have copied it" }).click();
  assert.equal((await page.content()).includes("pwk_shown-this-once"), false, "the secret is still in the page");
  await page.getByRole("button", { name: "Revoke deploys" }).click();
  await page.getByRole("button", { name: "Revoke the token" }).click();
  await page.locator('[data-token] [data-state="revoked"]').waitFor();
  await page.getByRole("button", { name: "Revoke bootstrap admin" }).click();
  await page.getByRole("button", { name: "Revoke the token" }).click();
  await page.getByText("The token is the one in use").waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test("a workspace gets an environment and another name", limit, async () => {
  const fake = await start();
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/workspaces"));
  await page.getByLabel("New environment of default").fill("staging");
  await page.getByRole("button", { name: "Add an environment" }).click();
  await page.getByText("2 environments").waitFor();
  await page.getByRole("button", { name: "Create a workspace" }).click();
  await page.getByLabel("Name").fill("research");
  await clean(page);
  await page.getByRole("dialog").getByRole("button", { name: "Create the workspace" }).click();
  await page.getByRole("heading", { name: "research" }).waitFor();
  assert.deepEqual(complaints, []);
  await close();
});

test("audit: filters in the address, and following misses and doubles nothing", limit, async () => {
  const fake = await start();
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/audit?follow=true"));
  const lines = page.locator("[data-line]");
  await lines.first().waitFor();
  const before = await lines.count();
  for (let i = 0; i < 3; i++) fake.machines.wrote("run.cancel", `prun_${i}`);
  await page.getByText("prun_2").waitFor();
  const seqs = await lines.evaluateAll((rows) => rows.map((r) => Number(r.dataset.line)));
  assert.equal(seqs.length, before + 3);
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].sort((a, b) => b - a),
    "newest first, each once",
  );
  await page.getByRole("button", { name: "mallory" }).click();
  await page.waitForURL(/actor=mallory/);
  await page.locator('[data-state="refused"]').waitFor();
  await page.getByText("prun_2").waitFor({ state: "detached" });
  await clean(page);
  assert.deepEqual(complaints, []);
  await close();
});

test("X8: a viewer sees no buttons that it may not use, and the API refuses", limit, async () => {
  const fake = await start({ role: "viewer" });
  const { page, complaints, close } = await openTab(browser);
  await page.goto(fake.at("/hosts"));
  await page.locator("[data-host]").first().waitFor();
  const none = async (name) =>
    assert.equal(await page.getByRole("button", { name }).count(), 0, `${page.url()} ${name}`);
  await none(/Add a host/);
  for (const link of ["Tokens", "Audit"])
    assert.equal(await page.getByRole("link", { name: link, exact: true }).count(), 0, link);
  await page.goto(fake.at("/hosts/hst_1"));
  await page.getByRole("heading", { name: "build-07" }).waitFor();
  await page.locator("[data-worker]").first().waitFor();
  await none(/Pause|Resume|Revoke|Change|Write one|Disable|Enable/);
  assert.equal(await page.getByText("Who did what").count(), 0);
  await page.goto(fake.at("/hosts?view=joining"));
  await page.getByRole("table", { name: "Enrolments" }).waitFor();
  await none(/Revoke/);
  await page.goto(fake.at("/rollouts/rol_1"));
  await page.locator("[data-target]").first().waitFor();
  await none(/Try|Go on|Abort|Roll back|Pause/);
  await page.goto(fake.at("/releases?open=pipedai-worker/1.5.0/stable"));
  await page.getByRole("table", { name: "Artifacts" }).waitFor();
  await none(/Yank/);
  await page.goto(fake.at("/workspaces"));
  await page.getByText("1 environment").waitFor();
  await none(/Create|Change|Add/);
  for (const path of ["/tokens", "/audit"]) {
    await page.goto(fake.at(path));
    await page.getByText("needs the role admin").waitFor();
    await clean(page);
  }
  await page.goto(fake.at("/activate?code=WDJB-MJHT"));
  await page.getByText("An admin has to decide.").waitFor();
  await none(/approve|deny/);
  assert.deepEqual(complaints, []);
  for (const [method, path] of [
    ["POST", "/api/v1/hosts/hst_1/pause"],
    ["POST", "/api/v1/hosts/hst_1/revoke"],
    ["POST", "/api/v1/rollouts/rol_1/abort"],
    ["GET", "/api/v1/tokens"],
    ["GET", "/api/v1/audit"],
    ["POST", "/api/v1/admin/pool-workers/wrk_pool0/disable"],
  ]) {
    const answer = await fetch(`${fake.base}${path}`, { method, headers: { authorization: `Bearer ${fake.token}` } });
    assert.equal(answer.status, 403, path);
  }
  await close();
});

test("an empty control plane: each operating screen says what to do", limit, async () => {
  const fake = await start({ scene: "empty" });
  const { page, complaints, close } = await openTab(browser);
  for (const path of ["/hosts", "/hosts?view=joining", "/rollouts", "/rollouts?start=true", "/releases", "/audit"]) {
    await page.goto(fake.at(path));
    await page.getByRole("button", { name: "Copy command" }).first().waitFor();
    await clean(page);
  }
  assert.deepEqual(complaints, []);
  await close();
});
