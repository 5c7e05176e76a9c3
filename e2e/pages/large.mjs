// What is large, against the real program (rows X3 and X5): largepages_test.go does the work of a worker when this asks
// for it. What is held against a limit is the processor time of the page, so that a busy machine does not fail it.

const interactiveMs = 2_000;

/** How much slower than a quiet machine this one is now. */
const slowness = (page) =>
  page.evaluate(() => {
    const begun = performance.now();
    let x = 1;
    for (let i = 0; i < 50_000_000; i++) x = (Math.imul(x, 1_103_515_245) + 12_345) | 0;
    const took = performance.now() - begun + (x === 0 ? 1 : 0);
    return Math.max(1, took / 100);
  });

/** What was fetched of a run: whole, and only what changed. */
const fetched = (page, run) =>
  page.evaluate((id) => {
    const all = performance
      .getEntriesByType("resource")
      .filter((e) => new URL(e.name).pathname.startsWith(`/api/runs/${id}`));
    const sum = (list) => ({
      n: list.length,
      travelled: list.reduce((n, e) => n + e.encodedBodySize, 0),
      unpacked: list.reduce((n, e) => n + e.decodedBodySize, 0),
      last: list.at(-1)?.responseEnd ?? 0,
    });
    return {
      whole: sum(all.filter((e) => new URL(e.name).pathname.endsWith(id))),
      changes: sum(all.filter((e) => new URL(e.name).pathname.endsWith("/changes"))),
    };
  }, run);

/** Opens a page, waits until something is to be seen and the page answers: on the clock, and in processor time. */
async function opened(page, path, what, act) {
  const run = path.split("?")[0].split("/").at(-1);
  const debug = await page.context().newCDPSession(page);
  await debug.send("Performance.enable", { timeDomain: "threadTicks" });
  const cpu = async () => {
    const { metrics } = await debug.send("Performance.getMetrics");
    return metrics.find((m) => m.name === "TaskDuration").value * 1_000;
  };
  const before = await cpu();
  await page.goto(path);
  const at = await what.first().evaluate(async () => {
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    return performance.now();
  });
  await act?.();
  const after = await cpu();
  const { whole } = await fetched(page, run);
  await debug.detach();
  // A new document may count anew.
  const busy = Math.round(after < before ? after : after - before);
  return { busy, text: `${Math.round(at - whole.last)} ms after the answer, busy for ${busy} ms in all` };
}

/** All of it, one thing after the other: each needs the runs of the one before. */
async function large(facts, world) {
  const { want } = world;
  const begun = performance.now();
  const report = (text) => world.note(`${((performance.now() - begun) / 1_000).toFixed(1)} s: ${text}`);
  const ask = async (what, more = "") => {
    const answer = await fetch(`${facts.control}/?what=${what}${more}`);
    want((await answer.text()) === "done", `${what} was not done`);
  };
  const run = `${facts.console}/runs/${facts.wide}`;
  const page = await world.at("ada", "/queue", facts);
  page.setDefaultTimeout(60_000);

  // X5: the time line of 10,000 tasks.
  const pile = page.locator('[data-timeline="page"]');
  const timeline = await opened(page, `${run}?tab=timeline`, pile);
  want(timeline.busy < interactiveMs, `X5: the time line: ${timeline.text}`);
  const first = await fetched(page, facts.wide);
  want(
    first.whole.travelled * 8 < first.whole.unpacked,
    `X5: ${first.whole.travelled} bytes travelled for ${first.whole.unpacked}`,
  );
  report(`time line: ${timeline.text}; ${first.whole.unpacked} bytes travelled as ${first.whole.travelled}`);
  await page.getByText(`×${facts.tasks}`).waitFor();

  // While the run goes on only what changed is fetched.
  await page.locator('[data-link="live"]:visible').waitFor();
  const before = await fetched(page, facts.wide);
  for (let failed = 1; failed <= 5; failed++) {
    await ask("work", "&n=20&failEvery=20");
    await pile.getByText(`${failed} failed`).waitFor();
  }
  await page.waitForFunction(() => document.body.innerText.includes("96 of"));
  const after = await fetched(page, facts.wide);
  const extra = after.whole.n - before.whole.n;
  report(
    `100 tasks that ended: ${after.changes.n} answers with what changed, ${after.changes.travelled} bytes; ${extra} whole ones`,
  );
  want(after.changes.n > 0, "X5: nothing was fetched as what changed");
  want(extra <= 1, `X5: the whole run was fetched ${extra} times more for 100 tasks that ended`);

  // All the others at once: the page keeps up, and a part of what happens does not make it read all there is.
  const whole = ask("work", `&n=${Number(facts.tasks) - 100}&failEvery=100`);
  await page.getByRole("tab", { name: "Graph" }).click();
  const box = page.locator(`[data-group="${facts.tasks}"]:visible`);
  await box.waitFor();
  await whole;
  await page.locator('[data-run-status="running"]').waitFor({ state: "detached" });
  const rest = await fetched(page, facts.wide);
  report(
    `all the others: ${rest.changes.n - after.changes.n} answers with what changed, ${rest.whole.n - after.whole.n} whole ones`,
  );
  await box.getByText(`${5 + Math.floor((Number(facts.tasks) - 100) / 100)} failed`).waitFor();
  want((await page.locator("[data-node]:visible").count()) === 2, "X5: the fan-out is not drawn as one");
  const list = page.locator("tr[data-task]");
  const table = await opened(page, `${run}?tab=tasks`, list);
  want(table.busy < interactiveMs, `X5: the list: ${table.text}`);
  want((await list.count()) < 200, `X5: ${await list.count()} rows are in the page`);
  await page.getByLabel("State").selectOption("failed");
  await page.getByText("104 tasks", { exact: true }).waitFor();
  await page.getByPlaceholder("Name of the task").fill("page-099");
  await page.waitForURL(/find=page-099/);
  await page.waitForFunction(() =>
    [...document.querySelectorAll("tr[data-task]")].every((row) => row.dataset.task.includes("page-099")),
  );
  report(`list: ${table.text}`);

  // X5: a graph of 500 tasks and 2,000 edges.
  const graph = await opened(page, `${facts.console}/runs/${facts.dense}`, page.locator("[data-node]"), async () => {
    await page.locator('[data-node="root"]').click();
    await page.getByRole("heading", { name: "Task root" }).waitFor();
  });
  want((await page.locator("[data-node]").count()) === Number(facts.nodes), "X5: the graph is not whole");
  want(graph.busy < interactiveMs, `X5: the graph: ${graph.text}`);
  report(`graph: ${graph.text}`);

  // X3: 1,000 runs end; the list and the page of a run say the same.
  await ask("runs", `&n=${facts.runs}`);
  await page.goto(`${facts.console}/runs?pipeline=tick`);
  const newest = page.getByRole("table", { name: "Runs" }).locator("a[data-row]").first();
  const id = (await newest.getAttribute("title")) ?? "";
  const detail = await page.context().newPage();
  await detail.addInitScript(
    ([key, value]) => sessionStorage.setItem(key, value),
    ["pipeweave_token", await page.evaluate(() => sessionStorage.getItem("pipeweave_token"))],
  );
  await detail.goto(`${facts.console}/runs/${id}`);
  await detail.locator('[data-run-status="running"]').waitFor();
  for (const tab of [page, detail]) await tab.locator('[data-link="live"]:visible').waitFor();
  /** Every state that a tab shows of the run, and when. */
  const watch = (tab, selector, name) =>
    tab.evaluate(
      ([where, attribute]) => {
        window.seen = [];
        const look = () => {
          const state = document.querySelector(where)?.getAttribute(attribute);
          if (state && window.seen.at(-1)?.state !== state) window.seen.push({ state, at: Date.now() });
        };
        new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
        look();
      },
      [selector, name],
    );
  await watch(page, `tr:has(a[title="${id}"]) [data-state]`, "data-state");
  await watch(detail, "[data-run-status]", "data-run-status");
  await ask("work", `&n=${facts.runs}`);
  const seen = [];
  for (const tab of [page, detail]) {
    await tab.waitForFunction(() => window.seen.at(-1)?.state === "completed");
    seen.push(await tab.evaluate(() => window.seen));
  }
  for (const states of seen)
    want(
      states.map((s) => s.state).join() === "running,completed",
      `X3: a page said ${states.map((s) => s.state).join()}`,
    );
  const apart = Math.abs(seen[0].at(-1).at - seen[1].at(-1).at);
  want(apart < interactiveMs * (await slowness(page)), `X3: list and page said the same only ${apart} ms apart`);
  report(`list and page of a run: ${apart} ms apart`);
}

export const largeSteps = { large };
