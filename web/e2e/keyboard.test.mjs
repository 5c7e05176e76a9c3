// Both pages without a mouse: everything is reached and can be used, and the focus is always somewhere one can see.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, openTab } from "./browser.mjs";
import { screens, startServers, visit } from "./screens.mjs";

let browser;
const servers = startServers();
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await servers.stop();
});

const limit = { timeout: 90_000 };

/** A tab in which every mouse event is noted, and what is wrong with each element that gets the focus. */
async function withoutMouse() {
  const tab = await openTab(browser);
  await tab.page.addInitScript(() => {
    window.mouse = 0;
    window.focused = [];
    window.wrong = [];
    for (const type of ["mousedown", "pointerdown", "touchstart"])
      document.addEventListener(type, () => window.mouse++, true);
    document.addEventListener("focusin", ({ target }) => {
      window.focused.push(target);
      // The start of a page is no control: a ring around all of it would say nothing.
      if (target.id === "main" || target.getAttribute("role") === "menu") return;
      requestAnimationFrame(() => {
        if (target !== document.activeElement) return;
        const name = `${target.tagName} ${target.getAttribute("aria-label") ?? target.textContent.slice(0, 40)}`;
        const style = getComputedStyle(target);
        if (style.outlineStyle === "none" || Number.parseFloat(style.outlineWidth) < 1)
          window.wrong.push(`${name}: no ring`);
        const box = target.getBoundingClientRect();
        if (box.width < 4 || box.height < 4) window.wrong.push(`${name}: is too small to be seen`);
        const [x, y] = [box.x + Math.min(box.width / 2, 20), box.y + Math.min(box.height / 2, 20)];
        if (x < 0 || y < 0 || x > innerWidth || y > innerHeight) window.wrong.push(`${name}: out of sight`);
        else {
          const there = document.elementFromPoint(x, y);
          if (there && !target.contains(there) && !there.contains(target))
            window.wrong.push(`${name}: lies under ${there.outerHTML.slice(0, 80)}`);
        }
      });
    });
  });
  const { page } = tab;
  return {
    ...tab,
    press: async (...keys) => {
      for (const key of keys) await page.keyboard.press(key);
    },
    /** What has the focus: its accessible name, as far as a test needs it. */
    here: () =>
      page.evaluate(() => {
        const e = document.activeElement;
        return (
          e.getAttribute("aria-label") ?? (e.id === "main" ? "main" : e.tagName === "BODY" ? "nothing" : e.innerText)
        );
      }),
    /** Tab until an element of this name has the focus. */
    tabTo: async function (name, most = 80) {
      for (let i = 0; i < most; i++) {
        if (name.test(await this.here())) return;
        await page.keyboard.press("Tab");
      }
      assert.fail(`${name} is not reached from ${page.url()}; the focus is at ${await this.here()}`);
    },
    /** Waits until something has the focus. */
    focusAt: (name) =>
      page.waitForFunction(
        ([source, flags]) => {
          const e = document.activeElement;
          const text = e.getAttribute("aria-label") ?? (e.id === "main" ? "main" : e.innerText);
          return e !== document.body && new RegExp(source, flags).test(text);
        },
        [name.source, name.flags],
      ),
    end: async () => {
      assert.deepEqual(await page.evaluate(() => [...new Set(window.wrong)]), []);
      assert.equal(await page.evaluate(() => window.mouse), 0, "a mouse was used");
      assert.deepEqual(tab.complaints, []);
      await tab.close();
    },
  };
}

const walked = [
  ...["dashboard", "dashboard-workers", "dashboard-worker", "dashboard-log", "dashboard-upgrades"],
  ...["dashboard-connectivity", "dashboard-settings", "dashboard-build", "dashboard-preferences"],
  ...["home", "run-failed", "run-timeline", "dead-letters", "services", "storage-object", "hosts", "host"],
  ...["rollout", "release", "tokens", "token-create", "trigger"],
];
for (const name of walked) {
  test(`W10: ${name}: Tab reaches every control, each is seen, and there is no trap`, limit, async () => {
    const tab = await withoutMouse();
    const { page } = tab;
    const screen = screens.find((s) => s.name === name);
    // What opens a dialog here is not what is looked at.
    await visit(page, screen, servers);
    await page.evaluate(() => {
      // It was opened with a click.
      window.mouse = 0;
      window.focused = [];
      window.wrong = [];
    });
    const all = await page.evaluate(() => {
      const scope = document.querySelector("dialog[open]") ?? document.body;
      const able = "a[href], button, input, select, textarea, summary, [tabindex]";
      window.controls = [...scope.querySelectorAll(able)].filter(
        (e) => e.tabIndex >= 0 && !e.disabled && e.checkVisibility({ visibilityProperty: true }),
      );
      return window.controls.length;
    });
    for (let i = 0; i < all + 4; i++) await page.keyboard.press("Tab");
    // What live data put in the place of something else does not count.
    const missed = await page.evaluate(() =>
      window.controls
        .filter((e) => e.isConnected && !window.focused.includes(e))
        .map((e) => e.getAttribute("aria-label") ?? e.outerHTML.slice(0, 160)),
    );
    assert.deepEqual(missed, [], "Tab does not reach them");
    await tab.end();
  });
}

test("W10: the dashboard by keyboard alone", limit, async () => {
  const tab = await withoutMouse();
  const { page, press, tabTo, focusAt, here } = tab;
  const daemon = await servers.of("daemon");
  await page.goto(daemon.url);
  await page.locator('[data-link="live"]').waitFor();
  const spoken = () => page.locator("[role=status].sr-only").first().innerText();

  // The skip link, then every view by its keys: title, announcement, and the focus is not lost.
  await press("Tab");
  assert.match(await here(), /^Skip/);
  await press("Enter");
  assert.equal(await here(), "main");
  for (const [key, title] of [
    ["w", "Workers"],
    ["u", "Upgrades"],
    ["c", "Connectivity"],
    ["a", "Adopt"],
    ["s", "Settings"],
    ["o", "Overview"],
  ]) {
    await press("g", key);
    await page.waitForFunction((t) => document.title.startsWith(t), title);
    await page.waitForFunction(() => document.activeElement !== document.body);
    assert.match(await spoken(), new RegExp(title));
  }

  // Rows, and back to the list: the row that was opened goes, the focus does not.
  await press("g", "w");
  await page.locator("tr[data-worker]").first().waitFor();
  await press("j", "j", "k", "j");
  assert.match(await here(), /image-resizer/);
  await press("Enter");
  await page.getByRole("heading", { level: 1, name: "image-resizer" }).waitFor();
  await page.waitForFunction(() => document.activeElement !== document.body);
  await tabTo.call(tab, /^Overview$/);
  await press("ArrowRight");
  await focusAt(/^Log$/);
  await page.getByRole("grid", { name: /^Log lines/ }).waitFor();
  await press("/");
  assert.equal(await page.evaluate(() => document.activeElement.type), "search");
  await press("Escape", "Shift+Tab");

  // A menu: arrows, Escape gives the focus back.
  await press("g", "w");
  await page.locator("tr[data-worker]").first().waitFor();
  await tabTo.call(tab, /^More for pdf-processor/);
  await press("Enter");
  await page.getByRole("menu").waitFor();
  await press("ArrowDown", "End", "Home", "Escape");
  await focusAt(/^More for pdf-processor/);

  // A dialog: the focus is in it, cannot leave it, and comes back.
  await press("Shift+Tab");
  await tabTo.call(tab, /^Stop image-resizer/);
  await press("Enter");
  await page.getByRole("dialog").waitFor();
  for (let i = 0; i < 12; i++) {
    assert.ok(
      await page.evaluate(() => document.activeElement === document.body || !!document.activeElement.closest("dialog")),
      "the focus left the dialog",
    );
    await press("Tab");
  }
  await press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await focusAt(/^Stop image-resizer/);

  // An action: the focus is where it was while it is under way, and not lost when the button becomes another one.
  await press("Shift+Tab", "Shift+Tab", "Shift+Tab");
  await tabTo.call(tab, /^Stop pdf-processor/);
  await press("Enter");
  await page.getByText("was stopped").waitFor();
  await focusAt(/pdf-processor/);

  // Commands, help, and keys switched off.
  await press("Control+k");
  await page.keyboard.type("preferences");
  await press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await focusAt(/pdf-processor/);
  await press("?");
  const help = page.getByRole("dialog", { name: "Keyboard shortcuts" });
  await help.waitFor();
  await help.getByRole("checkbox").focus();
  await press("Space", "Escape");
  await help.waitFor({ state: "detached" });
  await press("g", "u");
  await press("?");
  assert.equal(await page.getByRole("dialog").count(), 0, "a key does something although keys are switched off");
  assert.match(page.url(), /#\/workers/);
  await press("Control+k");
  await page.getByRole("dialog").waitFor();
  await press("Escape");
  await tab.end();
});

test("W10: the console by keyboard alone", limit, async () => {
  const tab = await withoutMouse();
  const { page, press, tabTo, focusAt, here } = tab;
  const plane = await servers.of("plane");
  const spoken = () => page.locator("[role=status].sr-only").first().innerText();
  await page.goto(`${plane.base}/`);
  await page.getByLabel("Operator token").waitFor();
  for (let i = 0; i < 6 && !(await page.evaluate(() => document.activeElement.id === "token")); i++) await press("Tab");
  await page.keyboard.type(plane.token);
  await press("Enter");
  await page.getByRole("heading", { name: "Home", level: 1 }).waitFor();

  await page.evaluate(() => document.activeElement.blur());
  for (const [key, title] of [
    ["p", "Pipelines"],
    ["r", "Runs"],
    ["d", "Dead letters"],
    ["s", "Services"],
    ["q", "Queue"],
    ["f", "Storage"],
    ["o", "Hosts"],
    ["l", "Rollouts"],
    ["e", "Releases"],
    ["t", "Tokens"],
    ["w", "Workspaces"],
    ["a", "Audit"],
    ["h", "Home"],
  ]) {
    await press("g", key);
    await page.getByRole("heading", { level: 1, name: title }).waitFor();
    await page.waitForFunction((t) => document.title.startsWith(t), title);
    await focusAt(/^main$/);
    await page.waitForFunction(
      (t) => document.querySelector("[role=status].sr-only")?.textContent.startsWith(t),
      title,
    );
    assert.match(await spoken(), new RegExp(title));
  }
  await press("Shift+Tab");
  await page.keyboard.press("Home");

  // Rows; a run; its tabs; a dialog and back.
  await press("g", "r");
  await page.getByRole("heading", { level: 1, name: "Runs" }).waitFor();
  await focusAt(/^main$/);
  await page.getByRole("table", { name: "Runs" }).locator("[data-row]").first().waitFor();
  await press("j", "j", "Enter");
  await page.waitForURL(/\/runs\/prun_/);
  await focusAt(/^main$/);
  await page.getByRole("tab").first().waitFor();
  await tabTo.call(tab, /^Graph$/);
  await press("ArrowRight");
  await page.waitForURL(/tab=timeline/);
  await press("g", "p");
  await page.getByRole("heading", { level: 1, name: "Pipelines" }).waitFor();
  await focusAt(/^main$/);
  await page.locator("main [data-row]").first().waitFor();
  await press("j", "Enter");
  await page.getByRole("heading", { level: 1, name: "pdf-processor" }).waitFor();
  await tabTo.call(tab, /^Run$/);
  await press("Enter");
  await page.getByRole("dialog").waitFor();
  assert.equal(await page.evaluate(() => !!document.activeElement.closest("dialog")), true);
  await page.keyboard.type("https://example.org/a.pdf");
  await press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await focusAt(/^Run$/);

  // A drawer, and back to the row it is of.
  await press("g", "e");
  await page.getByRole("heading", { level: 1, name: "Releases" }).waitFor();
  await focusAt(/^main$/);
  await page.locator("main [data-row]").first().waitFor();
  await press("j");
  const row = await here();
  await press("Enter");
  await page.getByRole("dialog").waitFor();
  await press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await here(), row);

  // What is done takes its own button away: the focus stays near.
  await press("g", "t");
  await page.getByRole("heading", { level: 1, name: "Tokens" }).waitFor();
  await focusAt(/^main$/);
  await page.getByRole("table", { name: "Tokens" }).waitFor();
  await tabTo.call(tab, /^Revoke ci$/);
  await press("Enter");
  await page.getByRole("dialog").waitFor();
  await tabTo.call(tab, /^Revoke/, 8);
  await press("Enter");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page
    .getByText(/was revoked|is revoked/)
    .first()
    .waitFor();
  await page.waitForFunction(() => document.activeElement !== document.body);
  await tab.end();
});
