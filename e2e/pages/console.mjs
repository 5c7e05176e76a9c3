// What people do in the console once there are hosts.
import { rm, writeFile } from "node:fs/promises";

export const consoleSteps = {
  /** The example is run and watched to its end. */
  async run(facts, world) {
    const page = await world.at("ada", "/pipelines/pdf-processor", facts);
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.getByLabel("Input, as JSON").fill(JSON.stringify({ pdfUrl: facts.document, extractTables: true }));
    await page.getByRole("button", { name: "Start the run" }).click();
    await page.waitForURL(/\/runs\/prun_/);
    await page.locator('[data-run-status="completed"]').waitFor({ timeout: 30_000 });
    await world.audit(page, "a finished run");
    await page.goto(`${page.url().split("?")[0]}?view=table`);
    for (const task of ["download", "extract-text", "extract-tables", "summarize"]) {
      const row = page.locator(`tr[data-task="${task}"]`);
      await row.waitFor();
      const text = await row.innerText();
      world.want(text.includes("Completed"), `the table does not say that ${task} is completed: ${text}`);
    }
    await world.audit(page, "the tasks of a run");
    for (const path of ["/", "/pipelines", "/runs", "/services"]) {
      await page.goto(facts.console + path);
      await page.getByRole("heading").first().waitFor();
      await world.audit(page, path);
    }
  },

  /** A host with a run in hand is paused, drains, shows who paused it and why, and is resumed. */
  async pause(facts, world) {
    const page = await world.at("olga", "/hosts", facts);
    await page.getByRole("link", { name: facts.host }).click();
    await page.locator('[data-worker] [data-state="busy"]').waitFor();
    await page.getByRole("button", { name: `Pause or drain ${facts.host}` }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Why").fill("new disk");
    await dialog.getByLabel("How long").selectOption("7200");
    await dialog.getByRole("button", { name: "Pause the host" }).click();
    const pause = page.getByRole("region", { name: "Pause" });
    await pause.getByText("Draining: 1 run in hand").waitFor();
    const said = await pause.innerText();
    for (const words of ["Paused by olga", "ends in", "“new disk”"])
      world.want(said.includes(words), `the host page does not say “${words}”: ${said}`);
    world.want(
      (await page.getByRole("button", { name: `Revoke ${facts.host}` }).count()) === 0,
      "an operator is offered to revoke a host",
    );
    await world.audit(page, "a host that drains");
    await writeFile(facts.gate, "");
    await pause.getByText("Drained: nothing runs on it any more.").waitFor();
    await page.getByRole("link", { name: "Hosts" }).first().click();
    await page.locator("[data-host]").getByText("Paused by olga").waitFor();
    await page.getByRole("link", { name: facts.host }).click();
    await page.getByRole("button", { name: `Resume ${facts.host}` }).click();
    await pause.waitFor({ state: "detached" });
    await page.locator('[data-worker] [data-state="online"]').waitFor();
    await rm(facts.gate);
  },

  /** Who may only look is offered nothing else, and is told so where there is nothing to look at. */
  async viewer(facts, world) {
    const page = await world.at("vera", "/hosts", facts, /403/);
    await page.getByRole("link", { name: facts.host }).click();
    await page.locator("[data-worker]").first().waitFor();
    const offered = page
      .locator("main")
      .getByRole("button", { name: /Pause|Revoke|Disable|Enable|Change|Write|Delete/ });
    world.want((await offered.count()) === 0, `a viewer is offered ${await offered.allInnerTexts()}`);
    for (const place of ["Tokens", "Audit"])
      world.want(
        (await page.getByRole("link", { name: place, exact: true }).count()) === 0,
        `a viewer is led to ${place}`,
      );
    for (const [path, words] of [
      ["/tokens", "needs the role admin"],
      ["/audit", "needs the role admin"],
    ]) {
      await page.goto(facts.console + path);
      await page.getByText(words).waitFor();
      await world.audit(page, `${path} for a viewer`);
    }
    const id = facts.hostId;
    const answers = await page.evaluate(
      async ([hostId, token]) =>
        Promise.all(
          [
            ["POST", `/api/v1/hosts/${hostId}/pause`],
            ["POST", `/api/v1/hosts/${hostId}/revoke`],
            ["POST", "/api/v1/rollouts"],
            ["POST", "/api/v1/enrollments/codes"],
            ["GET", "/api/v1/tokens"],
            ["GET", "/api/v1/audit"],
            ["POST", "/api/v1/admin/pool-workers/wrk_0/disable"],
          ].map(async ([method, path]) => {
            const answer = await fetch(path, {
              method,
              headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
              ...(method === "POST" ? { body: "{}" } : {}),
            });
            return [path, answer.status, (await answer.json()).message];
          }),
        ),
      [id, facts.tokens.vera],
    );
    for (const [path, status, error] of answers)
      world.want(
        status === 403 && /the token has the role viewer, and this needs the role/.test(error),
        `${path}: ${status} ${error}`,
      );
  },

  /** The browser remembers two control planes, and goes from one to the other. */
  async planes(facts, world) {
    const page = await world.at("ada", "/", facts);
    await page.getByRole("button", { name: "Control planes" }).click();
    await page.getByRole("menuitem", { name: "Manage…" }).click();
    const dialog = page.getByRole("dialog");
    for (const [name, url] of [
      ["production", facts.console],
      ["staging", facts.other],
    ]) {
      await dialog.getByLabel("Name").fill(name);
      await dialog.getByLabel("Address").fill(url);
      await dialog.getByRole("button", { name: "Add", exact: true }).click();
      await dialog.getByRole("list").getByText(name).waitFor();
    }
    await world.audit(page, "the control planes");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Control planes" }).click();
    await page.getByRole("menuitem", { name: /staging/ }).click();
    await page.waitForURL(`${facts.other}/**`);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.getByLabel("Operator token").fill(facts.otherToken);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Home" }).first().waitFor();
    await page.goto(`${facts.other}/hosts`);
    await page.getByText("No host has joined yet").waitFor();
    await page.goto(`${facts.console}/hosts`);
    await page.getByRole("link", { name: facts.host }).waitFor();
    await page.getByText("production").first().waitFor();
  },

  /** A rollout is looked at, started, and followed to its end. */
  async rollout(facts, world) {
    const page = await world.at("olga", "/releases", facts);
    await page.getByRole("link", { name: `Roll out pipedai-worker ${facts.to}` }).click();
    const dialog = page.getByRole("dialog", { name: "Start a rollout" });
    await dialog.getByText("It is about 1 host").waitFor();
    const plan = await dialog.locator("[data-planned-release]").innerText();
    world.want(/signed by .*good until/s.test(plan), `the plan does not say who signed: ${plan}`);
    world.want(
      /MB|MiB/.test(await dialog.getByRole("region", { name: "Preview" }).getByRole("listitem").first().innerText()),
      "the plan does not say how much",
    );
    await world.audit(page, "the plan of a rollout");
    await dialog.getByLabel(`Type ${facts.to} to go on`).fill(facts.to);
    await dialog.getByLabel("Note").fill("weekly");
    await dialog.getByRole("button", { name: "Start the rollout" }).click();
    await page.waitForURL(/\/rollouts\/roll_/);
    await page.locator('[data-target-state="running"], [data-target-state="succeeded"]').waitFor();
    await page.locator('[data-rollout-status="succeeded"]').waitFor({ timeout: 90_000 });
    const row = page.locator("[data-target]");
    for (const words of [`from ${facts.from}`, facts.to])
      world.want((await row.innerText()).includes(words), `the row does not say ${words}: ${await row.innerText()}`);
    await world.audit(page, "a rollout at its end");
  },
};
