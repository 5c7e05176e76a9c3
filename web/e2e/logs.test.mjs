// The log viewer of both pages by keyboard and by mouse, its links, and the files that it saves. What a million lines and a
// real server do to it is looked at in e2e/pagelogs.mjs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { clean, launch, openTab, sideways } from "./browser.mjs";
import { startControlPlane } from "./fake/controlplane.mjs";
import { startDaemon } from "./fake/daemon.mjs";

const limit = { timeout: 90_000 };
let browser;
let daemon;
let fake;
before(async () => {
  [browser, daemon, fake] = await Promise.all([launch(), startDaemon({ still: true }), startControlPlane()]);
});
after(async () => {
  await browser?.close();
  await Promise.all([daemon?.stop(), fake?.stop()]);
});

/** What a test does with a log. */
function hands(page) {
  const grid = page.getByRole("grid");
  return {
    grid,
    press: async (...keys) => {
      for (const key of keys) await page.keyboard.press(key);
    },
    /** Waits until the keys are at a line that says this, which is seen whole and is what a screen reader is told. */
    at: (text) =>
      page.waitForFunction((wanted) => {
        const box = document.querySelector("[role=grid]");
        if (!box) return false;
        const row = document.getElementById(box.getAttribute("aria-activedescendant") ?? "");
        if (document.activeElement !== box || !row?.textContent.includes(wanted)) return false;
        const [inner, outer] = [row.getBoundingClientRect(), box.getBoundingClientRect()];
        const long = inner.height > outer.height;
        const seen = long || (inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1);
        const over = document.elementFromPoint(inner.right - 40, Math.max(inner.y, outer.y) + 10);
        return seen && box.contains(over) && getComputedStyle(row).outlineStyle === "solid";
      }, text),
    picked: () => grid.locator("[aria-selected=true]").allInnerTexts(),
    clipboard: () => page.evaluate(() => navigator.clipboard.readText()),
    /** The lines of a file that an entry of the menu saves. */
    saved: async (entry) => {
      await page.getByRole("button", { name: "Download" }).click();
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("menuitem", { name: entry, exact: true }).click(),
      ]);
      return readFileSync(await download.path(), "utf8")
        .trimEnd()
        .split("\n");
    },
  };
}

test("W9, W10: the log of a worker: picked by keyboard, linked to, copied and saved", limit, async () => {
  const [worker] = daemon.workers;
  const number = 12_000;
  for (let n = 1; n <= number; n++) daemon.host.log(worker.id, n % 50 ? "out" : "err", `line ${n} of many`, 1);
  daemon.host.log(worker.id, "out", `a long one ${"x".repeat(5_000)} with an end`, 1);
  daemon.host.log(worker.id, "out", "see https://example.test/run", 1);
  const { page, complaints, close } = await openTab(browser);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  const { grid, press, at, picked, clipboard, saved } = hands(page);

  // From the row of the worker: its name leads to it, the button beside it and l to its log.
  await page.goto(daemon.at("workers"));
  await page.getByRole("link", { name: `Log of ${worker.label}` }).waitFor();
  await press("j", "l");
  await grid.getByText("see https://").waitFor();
  assert.match(page.url(), /\/log$/);

  // The keys begin where the reader is, at the end; a line may be opened, and Tab leads to what is in it.
  await press("j", "ArrowUp");
  await at("see https://example.test/run");
  assert.equal(await grid.locator("a[tabindex='0']").count(), 1);
  await press("k");
  await at("a long one");
  assert.equal(await grid.locator("a[tabindex='0']").count(), 0, "Tab goes through the links of other lines");
  await press("Enter");
  await grid.getByText("with an end").waitFor({ state: "attached" });
  await press("Enter");
  await grid.getByText("with an end").waitFor({ state: "detached" });

  // What is written meanwhile moves nothing: the reader is not at the end any more.
  daemon.host.log(worker.id, "out", "written just now");
  await page.getByRole("button", { name: "1 new line" }).waitFor();
  await press("ArrowUp");
  await at("a long one"); // it is longer than the view, and read through
  await press("ArrowUp", "ArrowUp");
  await at(`line ${number - 1} of many`);
  await clean(page);

  // A range, longer and shorter; copied as text, and as an address.
  await press("Space", "Shift+ArrowUp", "Shift+K", "Shift+ArrowDown");
  await page.getByText("2 lines picked").waitFor();
  assert.deepEqual(
    (await picked()).map((l) => l.replace(/^.*line/s, "line")),
    [`line ${number - 2} of many`, `line ${number - 1} of many`],
  );
  await at(`line ${number - 2} of many`);
  await press("c");
  await page.getByText("Lines copied").waitFor();
  assert.equal(await clipboard(), `line ${number - 2} of many\nline ${number - 1} of many`);
  await clean(page);
  await press("Escape");
  await page.getByText("2 lines picked").waitFor({ state: "detached" });
  assert.equal(await grid.getAttribute("aria-activedescendant"), null);

  // From the top: a page, and a line whose link is copied. Home and End are the beginning, and the end that is followed.
  await press("Home");
  await at("claimed run prun_0192f3c4d40");
  await press("PageDown", "PageUp", "j", "j", "y");
  await page.getByText("Link copied").waitFor();
  const link = await clipboard();
  assert.match(link, /#\/workers\/[^/]+\/log\?lines=\d+$/);
  await press("End");
  await grid.getByText("written just now").waitFor();
  daemon.host.log(worker.id, "out", "and this");
  await grid.getByText("and this").waitFor();

  // By mouse, with Shift; then on by keyboard from there.
  const place = (text) => grid.getByRole("row").filter({ hasText: text }).locator("[data-place]");
  await place("written just now").click();
  await place("see https://").click({ modifiers: ["Shift"] });
  await page.getByText("2 lines picked").waitFor();
  await press("Shift+ArrowUp");
  await page.getByText("3 lines picked").waitFor();
  await page.getByRole("button", { name: "Copy a link to these lines" }).click();
  assert.equal(await clipboard(), page.url());

  // Where single keys are switched off, arrows and Ctrl C go on.
  await page.evaluate(() => localStorage.setItem("shortcuts", "off"));
  await grid.focus();
  await press("j", "c", "Control+c");
  await page.getByText("Lines copied").waitFor();
  await at("a long one");
  await page.evaluate(() => localStorage.removeItem("shortcuts"));
  await press("?");
  await page.getByRole("dialog").getByText("Copy the picked lines, or the line").waitFor();
  await press("Escape");

  // Newest first: the same lines the other way round, and the end is at the top.
  await press("Escape");
  await page.getByRole("button", { name: "Newest first" }).click();
  await grid.focus();
  await press("Home");
  daemon.host.log(worker.id, "err", "the very last");
  const first = grid.locator("[data-index='0']");
  await first.getByText("the very last").waitFor();
  await press("j");
  await at("the very last");
  await press("j", "j");
  await at("written just now");
  const heightOf = (text) => grid.getByText(text).evaluate((e) => Math.round(e.getBoundingClientRect().y));
  const height = await heightOf("written just now");
  daemon.host.log(worker.id, "err", "later than that");
  await page.getByRole("button", { name: "1 new line" }).waitFor();
  daemon.host.log(worker.id, "err", "and later still");
  await page.getByRole("button", { name: "2 new lines" }).waitFor();
  assert.equal(await heightOf("written just now"), height, "the lines move under the reader");
  await press("End");
  await at("claimed run prun_0192f3c4d40");
  await page.getByRole("button", { name: "Newest first" }).click();

  // Files: everything, what fits, and what is on the page. The stream that lines are chosen by stands in the address.
  const all = await saved("All lines, as text");
  assert.equal(all.length, daemon.host.logs.get(worker.id).length);
  assert.match(all[60], /^\d{4}-\d\d-\d\dT[\d:.]+Z out line 1 of many$/);
  await page.getByRole("combobox", { name: "Lines" }).selectOption("err");
  await page.waitForURL(/stream=err/);
  await grid.getByText("line 50 of many").waitFor();
  const errors = (await saved("All lines that fit, as JSON lines")).map((l) => JSON.parse(l));
  assert.equal(errors.length, 3 + number / 50 + 3);
  assert.ok(errors.every((l) => l.stream === "err"));
  const shown = (await saved("The lines on this page, as JSON lines")).map((l) => JSON.parse(l));
  assert.deepEqual(
    shown.map((l) => [l.pos, l.mark, l.text]),
    errors.map((l) => [l.pos, "err", l.line]),
  );

  assert.deepEqual(complaints, []);
  await close();

  // Somebody else is sent the link and has to get a token first: far above the end, marked, and where the keys begin.
  const other = await openTab(browser, { width: 360, height: 740 });
  const theirs = hands(other.page);
  await other.page.goto(link);
  await other.page.getByLabel("To stay at this address").fill(daemon.url);
  await clean(other.page);
  await theirs.press("Enter");
  await theirs.grid.locator("[data-selected]").getByText("claimed run prun_0192f3c4d42").waitFor();
  await theirs.press("j", "j");
  await theirs.at("prun_0192f3c4d43");
  assert.deepEqual(await sideways(other.page), []);
  assert.deepEqual(other.complaints, []);
  await other.close();
});

test("W9: the log of a task: searched, chosen by level, saved, and linked to through the sign-in", limit, async () => {
  const run = fake.seeded.failed;
  const task = run.tasks.find((t) => t.taskId === "extract-tables");
  const begun = Date.parse(task.startedAt);
  const levels = ["debug", "info", "warn", "error"];
  const lines = Array.from({ length: 3_000 }, (_, n) => ({
    level: levels[n % 4],
    message: n === 700 ? "The Needle" : `page ${n} of the document`,
    timestamp: new Date(begun + n).toISOString(),
  }));
  fake.leaveLog(run, task, lines);
  // So high that nothing has to be scrolled to: a menu closes when its button moves.
  const { page, complaints, close } = await openTab(browser, { expected: /400/, height: 1_600 });
  const { grid, press, at, saved } = hands(page);

  // The end of the log stands on the page of the run, and no word in it is broken.
  await page.goto(fake.at(`/runs/${run.id}`));
  const end = page.getByRole("region", { name: "End of the log of extract-tables" });
  for (const word of ["error", "debug"]) {
    const { height } = await end.getByText(word, { exact: true }).first().boundingBox();
    assert.ok(height < 25, `the word ${word} is broken`);
  }
  await page.getByRole("button", { name: "Open the log at the error" }).click();
  await grid.locator("[data-selected]").getByText("page 2999 of the document").waitFor();

  // In any case unless asked otherwise; an expression that is none gets a sentence.
  const search = page.getByRole("searchbox");
  const found = async (text, said) => {
    await search.fill(text);
    await search.press("Enter");
    await page.getByText(said).waitFor();
  };
  await found("the needle", "1 of 1 match");
  await grid.locator("[data-selected] mark").getByText("The Needle").waitFor();
  await page.getByRole("button", { name: "Match case" }).click();
  await found("the needle", "No line holds “the needle”.");
  await page.getByRole("button", { name: "Match case" }).click();
  await page.getByRole("button", { name: "Regular expression" }).click();
  await found("needle (in", "This is not a regular expression: missing closing )");
  await clean(page);
  await found("needle$", "1 of 1 match");
  await search.fill("");

  // A level stands in the address, and is what the server is asked for.
  await page.getByRole("combobox", { name: "Lines" }).selectOption("warn");
  await page.waitForURL(/level=warn/);
  await grid.getByText("page 702 of the document").waitFor();
  await page.reload();
  await grid.getByText("page 702 of the document").waitFor();
  assert.equal(await grid.getByText("page 701 of the document").count(), 0);
  const warnings = (await saved("All lines that fit, as JSON lines")).map((l) => JSON.parse(l));
  assert.deepEqual([warnings.length, new Set(warnings.map((l) => l.level)).size], [750, 1]);
  const all = await saved("All lines, as text");
  assert.equal(all.length, lines.length);
  assert.equal(all[2], `${lines[2].timestamp} warn page 2 of the document`);
  await page.getByRole("combobox", { name: "Lines" }).selectOption("");
  await grid.getByText("page 701 of the document").waitFor();

  // c is a key of the page, too; in the log it is the log's.
  await grid.focus();
  await press("Home");
  await at("page 0 of the document");
  await press("j", "j", "Space", "Shift+ArrowDown");
  await page.getByText("2 lines picked").waitFor();
  await at("page 3 of the document");
  await press("c");
  await page.waitForURL(/line=/);
  assert.match(page.url(), /task=extract-tables/);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await press("y");
  await page.getByText("Link copied").waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.deepEqual(complaints, []);
  await close();

  // Somebody else is sent the link, and signs in.
  const other = await openTab(browser);
  await other.page.goto(link);
  await other.page.getByLabel("Operator token").fill(fake.token);
  await other.page.keyboard.press("Enter");
  const marked = other.page.getByRole("grid").locator("[aria-selected=true]");
  await marked.getByText("page 3 of the document").waitFor();
  assert.equal(await marked.count(), 2);
  await clean(other.page);
  assert.deepEqual(other.complaints, []);
  await other.close();
});
