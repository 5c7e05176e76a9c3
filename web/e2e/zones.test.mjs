// One time zone for everything that tells a time: lists, what is shown on hover, the axis, logs, and the files.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { launch, openTab } from "./browser.mjs";
import { startControlPlane } from "./fake/controlplane.mjs";
import { startDaemon } from "./fake/daemon.mjs";
import { busyWorker } from "./screens.mjs";

let browser;
let daemon;
let plane;
// Half past one on the morning when New York puts its clocks back, and the same an hour later.
const before2 = Date.parse("2026-11-01T05:30:00Z");
const after2 = Date.parse("2026-11-01T06:30:00Z");
before(async () => {
  browser = await launch();
  daemon = await startDaemon({ scene: "crowd" });
  plane = await startControlPlane();
  const iso = (ms) => new Date(ms).toISOString();
  const { short, failed } = plane.seeded;
  // One run goes over the change, from half past one for eighty minutes; the other begins in the second hour.
  Object.assign(short, { createdAt: iso(before2), startedAt: iso(before2), completedAt: iso(before2 + 4_800_000) });
  for (const [i, task] of short.tasks.entries()) {
    const start = before2 + i * 1_600_000;
    Object.assign(task, { createdAt: iso(start), startedAt: iso(start), completedAt: iso(start + 1_500_000) });
  }
  Object.assign(failed, { createdAt: iso(after2), startedAt: iso(after2), completedAt: iso(after2 + 1_000) });
});
after(async () => {
  await browser?.close();
  await daemon?.stop();
  await plane?.stop();
});

const formats = (zone) => {
  const of = (options) => (ms) => new Intl.DateTimeFormat("en-US", { ...options, timeZone: zone }).format(ms);
  const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  return {
    list: of({ month: "short", day: "numeric", ...time }),
    hover: of({ dateStyle: "medium", timeStyle: "long" }),
    minute: of({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
    clock: of(time),
    sheet: (ms) =>
      new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium", timeZone: zone }).format(ms),
  };
};

for (const [zone, first, second] of [
  ["UTC", "Nov 1, 05:30:00", "Nov 1, 06:30:00"],
  ["Asia/Kolkata", "Nov 1, 11:00:00", "Nov 1, 12:00:00"],
  ["America/New_York", "Nov 1, 01:30:00", "Nov 1, 01:30:00"], // told apart on hover
]) {
  test(`W11: ${zone}: list, hover, axis, log and file agree, across a change of the clocks, too`, {
    timeout: 60_000,
  }, async () => {
    const { page, complaints, close } = await openTab(browser);
    await page.addInitScript((z) => {
      localStorage.setItem("zone", z);
      localStorage.setItem("times", "times");
    }, zone);
    const of = formats(zone);
    const { short, failed } = plane.seeded;

    await page.goto(`${plane.base}/runs?token=${plane.token}`);
    const row = (run) => page.getByRole("row").filter({ has: page.locator(`a[href*="${run.id}"]`) });
    for (const [run, ms, text] of [
      [short, before2, first],
      [failed, after2, second],
    ]) {
      const time = row(run).locator("time").first();
      await time.waitFor();
      assert.equal(await time.innerText(), text);
      assert.equal(text, of.list(ms));
      assert.equal(
        (await time.getAttribute("title")).replaceAll("\u202F", " "),
        of.hover(ms).replaceAll("\u202F", " "),
      );
      assert.equal(await time.getAttribute("datetime"), new Date(ms).toISOString());
    }
    const hovers = await Promise.all([short, failed].map((r) => row(r).locator("time").first().getAttribute("title")));
    assert.notEqual(hovers[0], hovers[1], "the hour that comes twice cannot be told apart");

    await page.getByRole("button", { name: "Download the runs" }).click();
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("menuitem", { name: /CSV/ }).click(),
    ]);
    const lines = readFileSync(await file.path(), "utf8").split("\r\n");
    assert.match(lines[0], new RegExp(`created \\(${zone}\\)`));
    assert.ok(lines.find((l) => l.includes(short.id)).includes(of.sheet(before2)), "the file says another time");

    await page.goto(`${plane.base}/runs/${short.id}?tab=timeline`);
    const axis = page.locator("[data-axis] .tabular-nums");
    await axis.first().waitFor();
    const minutes = new Set();
    for (let at = before2 - 3_600_000; at <= before2 + 7_200_000; at += 60_000) minutes.add(of.minute(at));
    const marks = await axis.allInnerTexts();
    assert.ok(marks.length >= 2);
    assert.ok(marks.includes(of.minute(before2 + 1_800_000)), `${marks} without ${of.minute(before2 + 1_800_000)}`);
    for (const mark of marks) assert.ok(minutes.has(mark), `the axis says ${mark}`);

    await page.goto(daemon.at(`workers/${busyWorker}/log`));
    const line = daemon.host.logs.get(busyWorker).at(-4);
    const shown = page.locator("[data-log] time").filter({ hasText: of.clock(line.ts) });
    await shown.first().waitFor();
    assert.match((await shown.first().getAttribute("title")).replaceAll("\u202F", " "), /\d{4}, /);
    assert.deepEqual(complaints, []);
    await close();
  });
}
