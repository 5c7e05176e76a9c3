// Servers that are slow, that fail in part, that say no, and that go away, in a real browser.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { findings, launch, openTab } from "./browser.mjs";
import { startControlPlane } from "./fake/controlplane.mjs";
import { startDaemon } from "./fake/daemon.mjs";
import { addressOf, busyWorker, screens, settled } from "./screens.mjs";

let browser;
let daemon;
let plane;
before(async () => {
  browser = await launch();
  daemon = await startDaemon({ scene: "crowd" });
  plane = await startControlPlane();
});
after(async () => {
  await browser?.close();
  await daemon?.stop();
  await plane?.stop();
});

const limit = { timeout: 90_000 };
const failures = { expected: /status of|ERR_|WebSocket/ };
const at = (path, server = plane) => addressOf({ page: "console", path }, server);
const view = (name) => screens.find((s) => s.name === name);

// The screens, and what of all they ask for is theirs to show: when one of it fails, they say so.
const own = {
  dashboard: [/\/self$/],
  "dashboard-worker": [/\/workers\/\w+$/],
  "dashboard-log": [/\/logs$/],
  "dashboard-runs": [/\/runs$/, /\/events$/],
  "dashboard-worker-events": [/\/api\/events$/],
  "dashboard-upgrades": [/\/operations$/],
  "dashboard-connectivity": [/\/connectivity$/],
  "dashboard-adopt": [/\/adoptable$/],
  "dashboard-settings": [/\/config$/],
  home: [/\/services$/],
  pipelines: [/\/pipelines$/, /\/recent-runs$/],
  pipeline: [/\/pipelines\/[^/]+$/],
  runs: [/\/runs$/],
  "run-failed": [/\/runs\/\w+$/],
  "run-events": [/\/events$/],
  "run-data": [/\/storage\/.+/],
  "dead-letters": [/\/dlq\/groups$/],
  services: [/\/services$/, /\/services\/.+/],
  task: [/\/history$/, /\/input-schema$/, /\/queue\/items$/],
  queue: [/\/queue\/items$/],
  storage: [/\/storage$/, /\/backends$/],
  hosts: [/\/v1\/hosts$/],
  "hosts-workers": [/\/workers$/],
  "hosts-joining": [/\/enrollments$/],
  host: [/\/hosts\/\w+$/],
  rollouts: [/\/rollouts$/],
  rollout: [/\/rollouts\/\w+$/],
  releases: [/\/v1\/releases$/, /\/release-keys$/],
  tokens: [/\/tokens$/],
  workspaces: [/\/workspaces$/, /\/environments$/],
  audit: [/\/audit$/],
};
// With these a page has nothing else to show; whatever else fails, its other parts stay.
const subjects =
  /\/(self|connectivity|enrollments|releases|workspaces|history)$|\/runs\/prun_\w+$|\/(pipelines|hosts|rollouts|workers)\/[\w-]+(\/runs)?$/;
const never = /\/(session|stream)$/; // the sign-in and the link have tests of their own

/** What a page asks for while it loads. */
async function asks(page, go) {
  const seen = new Set();
  const note = (request) => {
    const { pathname } = new URL(request.url());
    if (request.method() === "GET" && pathname.startsWith("/api/")) seen.add(`GET ${decodeURIComponent(pathname)}`);
  };
  page.on("request", note);
  await go();
  page.off("request", note);
  return [...seen].filter((asked) => !never.test(asked));
}

/** Waits until a fault has met somebody. */
async function held(end) {
  while (end.hits === 0) await new Promise((done) => setTimeout(done, 10));
}

/**
 * Has time pass in a page, whose clock is installed, until something is so. Answers take their own time, so a little of
 * it is left to them between two steps; how little does not matter.
 */
async function pass(page, so, otherwise) {
  for (const last = Date.now() + 20_000; !(await so()); ) {
    assert.ok(Date.now() < last, otherwise);
    await page.clock.fastForward(1_000);
    await new Promise((done) => setTimeout(done, 60));
  }
}

const titles = (page) => page.locator("main h1:visible, main h2:visible").allInnerTexts();
const kinds = [
  ["500", { status: 500 }, /the disk is gone/, "req_fault"],
  ["HTML", { html: 502 }, /HTTP 502 without saying why/, "req_proxy"],
  ["cut off", { drop: true }, /could not be reached/, null],
];

/** The tab of the sweep over all screens, with a clock of its own. */
let swept;
async function sweeping() {
  swept ??= await openTab(browser, failures);
  if (!swept.ticks) await swept.page.clock.install();
  swept.ticks = true;
  return swept;
}

let nth = 0;
for (const [name, patterns] of Object.entries(own)) {
  const screen = view(name);
  test(`X2: ${name}: what goes wrong alone is told alone, and the rest goes on`, limit, async () => {
    const server = screen.page === "dashboard" ? daemon : plane;
    const { page } = await sweeping();
    // The time that passed in the screens before is no time here.
    await page.clock.setSystemTime(Date.now());
    await page.goto("about:blank");
    await page.goto(addressOf(screen, server));
    const asked = await asks(page, async () => {
      await page.reload();
      await settled(page);
    });
    const whole = await titles(page);
    const mine = asked.filter((path) => patterns.some((p) => p.test(path)));
    assert.ok(mine.length >= patterns.length, `it asks only for ${asked}`);
    /** What has to stay, whatever failed. */
    const standing = async (what, subject) => {
      await settled(page);
      assert.equal(await page.getByText("This page has failed").count(), 0, what);
      const left = await titles(page);
      assert.ok(left.length > 0, `${what}: no heading is left`);
      const gone = whole.filter((title) => !left.includes(title));
      if (!subject) assert.deepEqual(gone, [], `${what}: other parts went with it`);
    };

    for (const path of mine) {
      const [kind, fault, words, id] = kinds[nth++ % kinds.length];
      const what = `${path} answers ${kind}`;
      const end = server.faults.set(path, fault);
      await page.reload();
      const alert = page.getByRole("alert").filter({ hasText: words }).first();
      // The pages of the console try twice more, with pauses.
      await pass(page, () => alert.isVisible(), `${what}: nothing says so on ${page.url()}`);
      const text = await alert.innerText();
      if (id) assert.match(text, new RegExp(id), `${what}: the request id is not shown`);
      await standing(what, subjects.test(path));
      if (path === mine[0]) assert.deepEqual(await findings(page), [], what);
      const retry = alert.getByRole("button", { name: "Retry" });
      if (!/it is tried again/.test(text)) assert.equal(await retry.count(), 1, `${what}: no way to try again`);
      end();
      // Two parts may show one answer; and what asks again by itself every few seconds may be faster than the click.
      await pass(
        page,
        async () => {
          if (await retry.isVisible()) await retry.click({ timeout: 1_000 }).catch(() => {});
          return !(await alert.isVisible());
        },
        `${what}: it stays although it is over`,
      );
    }
    // What only adds to others may fail all at once.
    const ends = asked
      .filter((path) => !mine.includes(path) && !subjects.test(path))
      .map((path) => server.faults.set(path, { status: 500 }));
    await page.reload();
    await settled(page);
    for (let tries = 0; tries < 3; tries++) {
      await page.clock.fastForward(2_500);
      await page.evaluate(() => 0);
    }
    await standing("all else fails", false);
    for (const end of ends) end();
  });
}

test(
  "a part that is slow: a skeleton after 200 ms, a sentence after 10 s, old data kept while it asks again",
  limit,
  async () => {
    const { page, complaints, close } = await openTab(browser);
    await page.clock.install();
    for (const [name, server, path, words] of [
      ["dashboard-adopt", daemon, "GET /api/adoptable", "worker.box.json"],
      ["services", plane, "GET /api/services", "pdf-processor"],
      ["hosts", plane, "GET /api/v1/hosts", "mac-02"],
      ["run-failed", plane, `GET /api/runs/${plane.seeded.failed.id}`, "PDF_BROKEN"],
    ]) {
      let end = server.faults.set(path, { hold: true });
      await page.goto("about:blank");
      await page.goto(addressOf(view(name), server));
      await held(end);
      // A part that is loaded later puts its own in the place of the first.
      await page.waitForFunction(() => {
        const skeleton = document.querySelector("main .skeleton");
        const style = skeleton && getComputedStyle(skeleton);
        return style?.animationName === "appear" && style.animationDelay === "0.2s"; // none flashes
      });
      const long = page.getByText("This takes longer than usual").first();
      assert.equal(await long.count(), 0);
      await page.clock.fastForward(10_100);
      await long.waitFor();
      assert.deepEqual(await findings(page), [], `${name} while it loads`);
      end();
      await page.locator("main").getByText(words).first().waitFor();
      await long.waitFor({ state: "detached" });
      // It asks again, by itself or because the tab comes back; what is there stays.
      end = server.faults.set(path, { hold: true });
      await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
      await page.clock.fastForward(30_000);
      assert.ok(await page.locator("main").getByText(words).first().isVisible(), `${name}: old data was thrown away`);
      assert.equal(await page.locator("main .skeleton").count(), 0, `${name}: a skeleton instead of old data`);
      end();
    }
    assert.deepEqual(complaints, []);
    await close();
  },
);

test("an answer that never comes is an error after 15 s, with a way to try again", limit, async () => {
  const { page, close } = await openTab(browser, failures);
  await page.addInitScript(() => {
    const { timeout } = AbortSignal;
    AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms / 20);
  });
  for (const [name, server, path, words] of [
    ["dashboard-adopt", daemon, "GET /api/adoptable", "worker.box.json"],
    ["services", plane, "GET /api/services", "pdf-processor"],
  ]) {
    const end = server.faults.set(path, { hold: true });
    await page.goto(addressOf(view(name), server));
    const alert = page.getByRole("alert").filter({ hasText: "did not answer in time" });
    await alert.waitFor();
    assert.equal(end.hits, 1, "who waited for the whole time limit is made to wait for it again");
    end();
    await alert.getByRole("button", { name: "Retry" }).click();
    await page.locator("main").getByText(words).first().waitFor();
  }
  await close();
});

test("a token that ends midway: the sign-in, and then the same address again", limit, async () => {
  const own = await startControlPlane();
  const { page, close } = await openTab(browser, failures);
  await page.goto(at("/hosts?q=mac", own));
  await page.locator('[data-host="hst_2"]').waitFor();
  own.revoke();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByText("does not take this token").waitFor();
  assert.match(page.url(), /\/hosts\?q=mac$/);
  assert.equal(await page.getByText("mac-02").count(), 0, "what the token showed is still there");
  own.faults.clear();
  await page.getByLabel("Operator token").fill(own.token);
  await page.keyboard.press("Enter");
  await page.locator('[data-host="hst_2"]').waitFor();
  assert.match(page.url(), /\/hosts\?q=mac$/);
  await page.locator('[data-link="live"]:visible').waitFor();
  await close();
  await own.stop();
});

test("W3: the token of a host is replaced: the page says so and how to get another link", limit, async () => {
  const own = await startDaemon({ scene: "crowd" });
  const { page, close } = await openTab(browser, failures);
  await page.goto(own.at(`workers/${busyWorker}/log`));
  await page.getByText("heartbeat").first().waitFor();
  own.revoke();
  await page.getByRole("heading", { name: "This link is no longer valid" }).waitFor();
  await page.getByText("pipedai-orchestrator dashboard").waitFor();
  assert.match(page.url(), /#\/workers\/.+\/log/, "the address is lost");
  assert.equal(await page.getByText("heartbeat").count(), 0);
  await close();
  await own.stop();
});

test("a refusal is worded where it was asked for: 403, 409, 413, 422", limit, async () => {
  const { page, close } = await openTab(browser, failures);
  const dialog = page.getByRole("dialog");
  const refusedIn = async (where, end, words) => {
    const alert = where.getByRole("alert").filter({ hasText: words });
    await alert.waitFor();
    assert.match(await alert.innerText(), /req_fault/, "the request id is not shown");
    assert.equal(end.hits, 1, "it was asked for more than once");
    end();
  };

  await page.goto(at("/hosts/hst_1"));
  await page.getByRole("button", { name: "Pause or drain build-07" }).click();
  await dialog.getByLabel("Why").fill("new disk");
  let end = plane.faults.set(/^POST .+\/pause$/, {
    status: 403,
    error: "the token does not allow this",
    code: "forbidden",
  });
  await dialog.getByRole("button", { name: "Pause the host" }).click();
  await refusedIn(dialog, end, "the token does not allow this");
  assert.equal(await dialog.getByLabel("Why").inputValue(), "new disk", "what was typed is lost");
  end = plane.faults.set(/^POST .+\/pause$/, { status: 409, error: "The host is paused already", code: "conflict" });
  await dialog.getByRole("button", { name: "Pause the host" }).click();
  await refusedIn(dialog, end, "The host is paused already");
  await page.keyboard.press("Escape");

  await page.goto(at("/pipelines/pdf-processor"));
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await dialog.getByLabel("Document").fill("https://example.org/a.pdf");
  const go = dialog.locator("button[type=submit]");
  end = plane.faults.set(/^POST .+\/trigger$/, {
    status: 413,
    error: "The input is larger than 1 MiB",
    code: "too_large",
    fix: "upload it and pass its path",
  });
  await go.click();
  await refusedIn(dialog, end, "larger than 1 MiB");
  await dialog.getByText(/upload it and pass its path/).waitFor();
  end = plane.faults.set(/^POST .+\/trigger$/, {
    status: 422,
    error: "The pipeline has no such version",
    code: "invalid",
  });
  await go.click();
  await refusedIn(dialog, end, "no such version");
  assert.equal(await dialog.getByLabel("Document").inputValue(), "https://example.org/a.pdf");

  await page.goto(daemon.at("workers?build=1"));
  await dialog.getByLabel("Label").fill("taken");
  await dialog.locator("button[type=submit]").click();
  await dialog.getByRole("alert").filter({ hasText: "the label is taken" }).waitFor();
  assert.equal(await dialog.getByLabel("Label").inputValue(), "taken");
  await page.goto(daemon.at("workers"));
  end = daemon.faults.set(/^POST .+\/stop$/, { status: 422, error: "it has no control plane", code: "invalid" });
  const row = page.locator("tr[data-worker]").first();
  await row.getByRole("button", { name: /^Stop/ }).click();
  await refusedIn(row, end, "it has no control plane");
  await close();
});

// Where in the console, what opens a dialog there, what would send it, and a field of it.
const asking = [
  ["Tokens", "Create a token", "Create the token", "Name"],
  ["Queue", "Ask for maintenance", "Accept no more work", "Why"],
];
async function toHost(page) {
  const places = page.getByRole("navigation");
  await places
    .getByRole("link", { name: /^Hosts/ })
    .first()
    .click();
  await page.locator('[data-host="hst_1"]').getByRole("link").first().click();
}
for (const kind of ["control plane", "daemon"]) {
  test(`W5: the ${kind} is away: a banner and no actions, an age, and nothing is sent once more`, limit, async () => {
    const start = (port) => (kind === "daemon" ? startDaemon({ scene: "crowd", port }) : startControlPlane({ port }));
    const first = await start(0);
    const { page, close } = await openTab(browser, failures);
    if (kind === "daemon") await page.goto(first.at("workers"));
    else {
      await page.goto(first.url);
      for (const [place, opens] of asking) {
        await page.getByRole("link", { name: place, exact: true }).click();
        await page.getByRole("button", { name: opens }).waitFor();
      }
      await toHost(page);
    }
    await page.locator('[data-link="live"]:visible').first().waitFor();
    const [action, confirm] =
      kind === "daemon" ? [/^Stop pdf-processor/, null] : ["Pause or drain build-07", "Pause the host"];
    const button = page.getByRole("button", { name: action });
    await button.waitFor();
    const asked = [];
    page.on("request", (r) => r.method() !== "GET" && asked.push(new URL(r.url()).pathname));
    // It goes away while something is asked of it: nobody knows what became of that.
    const held = first.faults.set(/^POST /, { hold: true });
    await button.click();
    if (confirm) await page.getByRole("dialog").getByRole("button", { name: confirm }).click();
    await page.locator("[aria-busy=true]").first().waitFor();
    await first.stop();
    await page.getByText(`Lost connection to the ${kind}`).waitFor(); // src/live/link.test.ts: within 5 s
    held();
    await page.getByRole("alert").filter({ hasText: "could not be reached" }).first().waitFor();
    await page.getByText(/What you see is from/).waitFor();
    if (confirm) {
      const submit = page.getByRole("dialog").getByRole("button", { name: confirm });
      assert.ok(await submit.isDisabled(), "a dialog can be sent to a server that is away");
      await page.keyboard.press("Escape");
    }
    for (const b of await page.getByRole("button", { name: /^(Disable|Enable|Stop|Start|Resume) / }).all())
      assert.ok(await b.isDisabled(), `${await b.getAttribute("aria-label")} is offered`);
    // What only asks may still be opened, but not sent, from a page that was there before, too.
    for (const [place, opens, sends, field] of kind === "daemon" ? [] : asking) {
      await page.getByRole("link", { name: place, exact: true }).click();
      await page.getByRole("button", { name: opens }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel(field).fill("while it is away");
      assert.ok(await dialog.getByRole("button", { name: sends }).isDisabled(), `${sends} can be pressed`);
      await page.keyboard.press("Enter");
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
    }
    if (kind !== "daemon") await toHost(page);
    const second = await start(first.port);
    await page.getByText("Reconnected").waitFor({ timeout: 20_000 });
    await page.getByText(/^Lost connection/).waitFor({ state: "detached" });
    await page.waitForFunction(
      (name) => {
        const b = [...document.querySelectorAll("button")].find(
          (e) => e.getAttribute("aria-label")?.startsWith(name) || e.textContent === name,
        );
        return b && !b.disabled;
      },
      kind === "daemon" ? "Stop pdf-processor" : "Pause or drain build-07",
    );
    assert.equal(asked.length, 1, `sent again by itself: ${asked}`);
    await close();
    await second.stop();
  });
}
