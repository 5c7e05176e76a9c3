// The log viewer and the live connection in a real browser, against the real daemon. pagelogs_linux_test.go starts that
// with the log of a million lines of the worker "million", and with the worker "numbers" that writes numbered lines
// steadily, and does what is asked for on standard output ("do kill the daemon") before it answers on standard input.
import assert from "node:assert/strict";
import { createReadStream, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { compiled, findings, launch, openTab } from "../web/e2e/browser.mjs";

const facts = JSON.parse(process.argv[2]);
const million = 1_000_000;
const needle = 100_000;

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function ask(what) {
  console.log(`do ${what}`);
  await answers.next();
}
const tell = (text) => console.log(text);
/** The server counts for two seconds; on a machine that is busy with other tests that may not be enough. */
const counted = /^(1 of 1 match|at least 1 match)$/;
const seconds = (ms) => `${(ms / 1_000).toFixed(2)} s`;
/** What the page does within five seconds; web/src/live/link.test.ts holds that against a clock that nothing delays. */
const soon = 20_000;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** What lies between the browser and a server: it lets through, cuts, or lets nothing through without a word. */
async function between(port) {
  const pairs = new Set();
  let mode = "open";
  const way = {
    asked: 0,
    sockets: 0,
    set(next) {
      mode = next;
      if (next === "cut") for (const pair of pairs) for (const socket of pair) socket.destroy();
      if (next === "open") for (const pair of pairs) for (const socket of pair) socket.resume();
      if (next === "silent") for (const pair of pairs) for (const socket of pair) socket.pause();
    },
  };
  const server = createServer((here) => {
    way.asked++;
    if (mode === "cut") return here.destroy();
    const there = connect(port, "127.0.0.1");
    const pair = [here, there];
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    here.once("data", (head) => {
      if (/^GET \/api\/(events|stream)/.test(head.toString("latin1"))) way.sockets++;
    });
    for (const [from, to] of [pair, [there, here]]) {
      from.on("data", (data) => to.write(data));
      from.on("close", end);
      from.on("error", end);
      if (mode === "silent") from.pause();
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  way.port = server.address().port;
  return way;
}

const daemon = await between(facts.port);
const plane = await between(facts.console);
// The servers answer to their own names alone, so the browser is led to what lies between by its resolver.
const browser = await launch([
  compiled,
  `--host-resolver-rules=MAP localhost:${facts.port} 127.0.0.1:${daemon.port},MAP localhost:${facts.console} 127.0.0.1:${plane.port}`,
  "--enable-precise-memory-info",
]);
const lost = /ERR_|WebSocket|net::|Failed to load resource/;
const at = (path) => `http://localhost:${facts.port}/?token=${facts.token}#/${path}`;

/** How many pictures a second a page gets while it scrolls. */
const pictures = (page, selector, step) =>
  page.evaluate(
    async ([selector, step]) => {
      const box = selector ? document.querySelector(selector) : document.scrollingElement;
      const begun = performance.now();
      let n = 0;
      await new Promise((done) => {
        const draw = () => {
          box.scrollTop += step;
          if (performance.now() - begun > 2_500) done();
          else {
            n++;
            requestAnimationFrame(draw);
          }
        };
        requestAnimationFrame(draw);
      });
      return (n * 1_000) / (performance.now() - begun);
    },
    [selector, step],
  );

/** The processes that our browser draws pages in. */
async function renderers() {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  return processInfo.filter((p) => p.type === "renderer").map((p) => p.id);
}

/** What the largest of them holds that nobody else does, in MB. */
async function memory() {
  const sizes = (await renderers()).map((pid) => {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    const kb = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
    return (kb("Private_Clean") + kb("Private_Dirty")) / 1_024;
  });
  return Math.max(...sizes);
}

const region = (page) => page.getByRole("grid", { name: /^Log lines of/ });
const lines = '[aria-label^="Log lines of"]';

async function readMillion() {
  const { page, complaints, close } = await openTab(browser, { motion: true, expected: /status of 400/ }); // of a bad expression
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.setContent(`<div style="height:9999999px"></div>`);
  const empty = await pictures(page, "", -200);
  await page.goto(at("workers/million/log"));
  const log = page.getByRole("main");
  await region(page).getByText(`${million} claimed`).waitFor();
  assert.deepEqual(await findings(page), []);

  const up = await pictures(page, lines, -400);
  const top = await region(page).innerText();
  const down = await pictures(page, lines, 300);
  tell(
    `pictures a second: ${empty.toFixed(0)} of an empty page, ${up.toFixed(0)} up through the log, ${down.toFixed(0)} down`,
  );
  // With the machine to itself the log gets nearly as many as the empty page; beside other tests it gets what is left.
  assert.ok(
    Math.max(up, down) > empty / 4,
    `the log scrolls at ${up} and ${down} pictures a second, an empty page at ${empty}`,
  );
  assert.ok(!top.includes(`${million} claimed`), "it did not scroll");

  // Nothing that a line says is done, and nothing turns it around.
  await region(page).hover();
  await page.keyboard.press("End");
  await region(page).getByText(`${million} claimed`).waitFor();
  await region(page).getByText("user⟨U+202E⟩txt.exe").first().waitFor();
  const shown = await region(page).innerText();
  for (const part of ["<img src=x onerror=", "100 %", "truecolour", "👩‍👩‍👧‍👦"])
    assert.ok(shown.includes(part), `${part} is not shown`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  assert.ok(!/[\u0000\u001b\u202e]|\b50 %/.test(shown), "control characters are shown");
  assert.deepEqual(
    await page.evaluate((selector) => {
      const box = document.querySelector(selector);
      const links = [...box.querySelectorAll("a")].map((a) => `${a.href} ${a.rel}`);
      return [window.injected ?? null, box.querySelectorAll("img, script").length, [...new Set(links)]];
    }, lines),
    [null, 0, ["https://example.test/run?id=1 noopener noreferrer"]],
  );

  // A term 900,000 lines above: found and counted by the server, and the address leads back to it.
  const search = log.getByRole("searchbox");
  const find = async (text, expected) => {
    const begun = Date.now();
    await search.fill(text);
    await search.press("Enter");
    await log.getByText(expected).waitFor({ timeout: 30_000 });
    return Date.now() - begun;
  };
  const begun = Date.now();
  await search.fill("the needle IN");
  await search.press("Enter");
  const hit = region(page).locator("[data-selected]", { hasText: `${needle} the Needle in the haystack` });
  await hit.waitFor({ timeout: 30_000 });
  const jumped = Date.now() - begun; // with the race detector, beside other tests: ten times what it takes alone
  await log.getByText(counted).waitFor({ timeout: 30_000 });
  tell(`a term 900,000 lines above: shown after ${seconds(jumped)}, counted after ${seconds(Date.now() - begun)}`);
  await hit.locator("mark").getByText("the Needle in").waitFor();
  const link = page.url();
  await page.reload();
  await hit.waitFor();
  assert.equal(page.url(), link);
  assert.ok(await hit.isVisible(), "the link does not show its line");

  // The keys go on from there, and pick what a link then leads to.
  await region(page).focus();
  for (const key of ["j", "k", "Shift+ArrowUp", "Shift+ArrowUp"]) await page.keyboard.press(key);
  await log.getByText("3 lines picked").waitFor();
  await region(page)
    .locator("[data-active]", { hasText: `${needle - 2} bomb` })
    .waitFor();
  assert.match(page.url(), /lines=\d+-\d+$/);
  await page.keyboard.press("Escape");
  await log.getByText("3 lines picked").waitFor({ state: "detached" });

  // An expression runs on the server: a bad one gets a sentence, none holds the page up.
  await log.getByRole("button", { name: "Regular expression" }).click();
  await find("claimed (run", "This is not a regular expression: missing closing )");
  tell(`an expression without a text in it, over a million lines: ${seconds(await find("(r+)+$", /\d+ match/))}`);
  await find("Needle|Pin", counted);
  await log.getByRole("button", { name: "Only lines that match" }).click();
  await region(page).getByText(`${needle} the Needle`).waitFor();
  await region(page).getByText("claimed run").first().waitFor({ state: "detached" });
  await region(page).getByText(`${needle} the Needle`).waitFor();
  assert.equal(await region(page).locator("[data-index]").count(), 1);
  await search.fill("");
  await log.getByRole("button", { name: "Regular expression" }).click();

  // Long lines are cut, and shown whole to whoever asks.
  await find("end of the long line", /of 50 matches|at least \d+ match/);
  const long = region(page).locator("[data-selected]");
  await long.getByRole("button", { name: /^show .* more characters$/ }).click();
  await long.getByText("end of the long line").waitFor();
  await long.getByRole("button", { name: "show less" }).click();
  await long.getByText("end of the long line").waitFor({ state: "detached" });

  // Lines are picked together, also more than the page holds, and copied.
  await page.keyboard.press("Home");
  await region(page)
    .getByText(/^19999 long/)
    .waitFor();
  await search.fill("");
  await log.getByRole("button", { name: "To the beginning" }).click();
  const row = (n) =>
    region(page)
      .locator("[data-index]", { hasText: new RegExp(`out${n} claimed`) })
      .locator("button")
      .first();
  await row(3).click();
  await row(6).click({ modifiers: ["Shift"] });
  await log.getByText("4 lines picked").waitFor();
  assert.match(page.url(), /lines=\d+-\d+$/);
  await log.getByRole("button", { name: "Copy the lines picked" }).click();
  await log
    .getByRole("button", { name: "Copy the lines picked" })
    .getByTitle("Copied")
    .or(log.locator('[title="Copied"]'))
    .waitFor();
  const copied = (await page.evaluate(() => navigator.clipboard.readText())).split("\n");
  assert.deepEqual(
    copied.map((l) => l.split(" ")[0]),
    ["3", "4", "5", "6"],
  );

  // Files: all of it as text, and what fits as objects.
  const began = Date.now();
  assert.equal(await countLines(await save(page, "All lines, as text")), million);
  tell(`all lines were saved after ${seconds(Date.now() - began)}`);
  await log.getByRole("combobox", { name: "Lines" }).selectOption("err");
  const errors = readFileSync(await save(page, "All lines that fit, as JSON lines"), "utf8")
    .trimEnd()
    .split("\n")
    .map((l) => JSON.parse(l));
  assert.equal(errors.length, million / 100);
  assert.ok(errors.every((l) => l.stream === "err" && l.line.includes("failed") && l.ts > 0));

  const held = await memory();
  tell(`the tab holds ${held.toFixed(0)} MB of its own`);
  assert.ok(held < 300, `the tab holds ${held} MB`);
  assert.deepEqual(complaints, []);
  await close();
}

/** Saves something of the log, and returns where it is. */
async function save(page, item) {
  await page.getByRole("button", { name: "Download" }).click();
  const [download] = await Promise.all([
    page.waitForEvent("download", { timeout: 60_000 }),
    page.getByRole("menuitem", { name: item }).click(),
  ]);
  return download.path();
}

async function countLines(path) {
  let n = 0;
  for await (const part of createReadStream(path)) for (const byte of part) if (byte === 10) n++;
  return n;
}

/** The numbers of the lines that the page holds; those of one process, which is all that is alive here. */
async function numbers(page) {
  const text = readFileSync(await save(page, /on this page, as JSON lines$/), "utf8").trimEnd();
  return text.split("\n").map((l) => Number(JSON.parse(l).text.split(" ")[1]));
}

async function wantAll(page, when) {
  const all = await numbers(page);
  for (let i = 1; i < all.length; i++)
    assert.equal(all[i], all[i - 1] + 1, `${when}: behind line ${all[i - 1]} stands ${all[i]}`);
  return all;
}

/** The number of the newest line on the page. */
const newest = (page) =>
  page.evaluate((selector) => {
    const rows = [...document.querySelectorAll(`${selector} [data-index]`)];
    return Math.max(...rows.map((r) => Number(/#numbers\S+ (\d+)/.exec(r.textContent ?? "")?.[1] ?? 0)));
  }, lines);

/** Waits for a line that was written after now; the worker writes fifty a second. */
async function fresh(page, from, within) {
  await page.waitForFunction(
    ([selector, least]) => {
      const rows = [...document.querySelectorAll(`${selector} [data-index]`)];
      return rows.some((r) => Number(/#numbers\S+ (\d+)/.exec(r.textContent ?? "")?.[1] ?? 0) > least);
    },
    [lines, from],
    { timeout: within },
  );
}

const banner = (page, name) => page.getByText(`Lost connection to ${name}`);
const reconnected = (page) => page.getByText("Reconnected");

async function followNumbers() {
  const { page, complaints, close } = await openTab(browser, { motion: true, expected: lost });
  await page.goto(at("workers/numbers/log"));
  await page.locator('[data-link="live"]').waitFor();
  await fresh(page, 5, 15_000);
  const first = (await wantAll(page, "at the beginning"))[0];
  const seen = [];

  /** Takes the connection away and gives it back; the page says so, and then has every line once. */
  const through = async (what, away, back, notice) => {
    const before = await newest(page);
    daemon.sockets = 0;
    const begun = Date.now();
    await away();
    if (notice) {
      await banner(page, "the daemon").waitFor({ timeout: soon });
      seen.push(`${what}: banner after ${seconds(Date.now() - begun)}`);
      assert.ok(await page.locator("main.saturate-50").isVisible(), "what is old is not dimmed");
      assert.ok(
        await page.getByRole("button", { name: /^Stop/ }).isDisabled(),
        "an action is offered that cannot work",
      );
    }
    await back();
    await page.locator('[data-link="live"]').waitFor({ timeout: 20_000 });
    await banner(page, "the daemon").waitFor({ state: "detached" });
    if (notice) await reconnected(page).first().waitFor();
    await fresh(page, before + 50, 20_000);
    const all = await wantAll(page, what);
    assert.equal(all[0], first, `${what}: what was on the page is gone`);
    seen.push(`${what}: ${all.length} lines, none lost, none doubled; ${daemon.sockets} sockets`);
  };

  await through(
    "a cut connection",
    async () => daemon.set("cut"),
    async () => {
      await pause(6_000); // long enough for a storm to show
      daemon.set("open");
    },
    true,
  );
  await through(
    "a silent connection",
    async () => daemon.set("silent"),
    async () => daemon.set("open"),
    true,
  );
  await through(
    "a killed daemon",
    () => ask("kill the daemon"),
    async () => {},
    false,
  );

  // A page that slept is fresh soon, and does not come back with a storm. Its process is halted, as all of them are while
  // a lid is closed.
  for (const kind of ["with its connection", "without it"]) {
    const before = await newest(page);
    const asleep = await renderers();
    daemon.sockets = 0;
    for (const pid of asleep) process.kill(pid, "SIGSTOP");
    if (kind === "without it") daemon.set("cut");
    await pause(5_000);
    daemon.set("open");
    const woke = Date.now();
    for (const pid of asleep) process.kill(pid, "SIGCONT");
    await fresh(page, before + 100, soon);
    seen.push(`asleep ${kind}: fresh ${seconds(Date.now() - woke)} after waking, ${daemon.sockets} sockets`);
    assert.ok(daemon.sockets <= 2, `${daemon.sockets} sockets were opened`);
    await wantAll(page, `asleep ${kind}`);
  }

  await through(
    "another build",
    () => ask("replace the daemon"),
    async () => {},
    false,
  );
  await page.getByRole("button", { name: "Reload for the new version" }).click();
  await page.locator('[data-link="live"]').waitFor();
  await fresh(page, 1, 15_000);
  assert.equal(await page.getByRole("button", { name: "Reload for the new version" }).count(), 0);

  // Following ends where the reader scrolls up, and begins again at the end.
  await region(page).hover();
  await page.mouse.wheel(0, -600);
  await page.getByRole("button", { name: /^\d+ new lines$/ }).waitFor();
  const still = await newest(page);
  await pause(500);
  assert.equal(await newest(page), still, "the lines move under the reader");
  await page.keyboard.press("End");
  await page.getByRole("button", { name: /new line/ }).waitFor({ state: "detached" });
  await fresh(page, still + 20, soon);

  // The token is replaced: the socket ends, and the page says what to do.
  const begun = Date.now();
  await ask("replace the token");
  await page.getByRole("heading", { name: "This link is no longer valid" }).waitFor({ timeout: 10_000 });
  seen.push(`a replaced token: said after ${seconds(Date.now() - begun)}`);
  assert.deepEqual(complaints, []);
  await close();
  for (const what of seen) tell(what);
}

async function watchConsole() {
  const { page, complaints, close } = await openTab(browser, { motion: true, expected: lost });
  await page.goto(`http://localhost:${facts.console}/?token=${facts.consoleToken}`);
  await page.locator('[data-link="live"]:visible').waitFor();
  await page.getByRole("heading", { name: "Home" }).waitFor();
  await page.getByText("Connect a host").waitFor(); // what comes later has come
  plane.set("cut");
  const begun = Date.now();
  await page.getByText(/^Lost connection to/).waitFor({ timeout: soon });
  const took = Date.now() - begun;
  await ask("kill the control plane");
  plane.sockets = 0;
  plane.set("open");
  await page.locator('[data-link="live"]:visible').waitFor({ timeout: 20_000 });
  await reconnected(page).first().waitFor();
  tell(`the console: banner after ${seconds(took)}, ${plane.sockets} streams to be back`);
  assert.ok(plane.sockets <= 2);
  assert.deepEqual(complaints, []);
  await close();
}

let failed = false;
for (const scene of [readMillion, followNumbers, watchConsole]) {
  const begun = Date.now();
  try {
    await scene();
  } catch (error) {
    console.error(`${scene.name}: ${error.stack}`);
    const page = browser.contexts().at(-1)?.pages()[0];
    if (page && process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/${scene.name}.png` });
    console.error(
      await page
        ?.locator("main")
        .innerText()
        .then((t) => t.slice(0, 1_500))
        .catch(() => ""),
    );
    failed = true;
    for (const context of browser.contexts()) await context.close();
  }
  tell(`${scene.name} took ${seconds(Date.now() - begun)}`);
}
await browser.close();
process.exit(failed ? 1 : 0);
