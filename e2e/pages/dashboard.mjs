// What the owner of a host does on its dashboard.
import { rm, writeFile } from "node:fs/promises";

/** The tab of the dashboard at one of its views. */
async function view(world, path) {
  const page = await world.tab("dashboard");
  await page.evaluate((hash) => {
    location.hash = hash;
  }, path);
  return page;
}

const rowOf = (page, label) => page.locator("tr[data-worker]", { hasText: label });

export const dashboardSteps = {
  /** The link opens it; the host, the workers and a log are there. */
  async dashboard(facts, world) {
    const page = await world.tab("dashboard");
    await page.goto(facts.dashboard);
    await world.noTokenShown(page);
    await page.getByRole("heading").first().waitFor();
    await world.audit(page, "the host");
    await view(world, "#/workers");
    await rowOf(page, facts.label).getByText("Running", { exact: true }).waitFor();
    await world.audit(page, "the workers");
    await page.getByRole("link", { name: `Log of ${facts.label}` }).click();
    await page.getByText(facts.task).first().waitFor();
    await world.audit(page, "a log");
  },

  /** A worker is built without anybody's token. */
  async build(facts, world) {
    const page = await view(world, "#/workers");
    await page.getByRole("button", { name: "Build worker" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Label").fill(facts.second);
    world.want((await dialog.getByLabel(/token/i).count()) === 0, "the dialog asks for a token");
    world.want(
      (await dialog.getByLabel("Control plane").inputValue()) === facts.console,
      "the control plane is not the one",
    );
    await world.audit(page, "building a worker");
    await dialog.getByRole("button", { name: "Build", exact: true }).click();
    await page.getByRole("heading", { name: facts.second, level: 1 }).waitFor({ timeout: 30_000 });
    await page.locator('[data-state="up"]').first().waitFor();
    await page.locator('[data-state="online"]').first().waitFor({ timeout: 30_000 });
  },

  /** With a run in hand it is asked before, with how many; without one it is not. */
  async restart(facts, world) {
    const page = await view(world, "#/workers");
    const row = rowOf(page, facts.label);
    await row.getByRole("button", { name: "Copy run id" }).waitFor();
    await page.getByRole("button", { name: `Stop ${facts.label}` }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("One run is in flight").waitFor();
    await world.audit(page, "stopping a worker that works");
    await dialog.getByRole("button", { name: "Keep as it is" }).click();
    await row.getByRole("link", { name: facts.label }).first().click();
    await page.getByRole("button", { name: `Restart ${facts.label}` }).click();
    await dialog.getByText("One run is in flight").waitFor();
    await dialog.getByRole("button", { name: "Drain and restart" }).click();
    await page.locator('[data-state="draining"]').first().waitFor();
    await writeFile(facts.gate, "");
    await page.getByText(`${facts.label} was restarted`).waitFor({ timeout: 60_000 });
    await rm(facts.gate);
    await view(world, "#/workers");
    await row.getByText("Running", { exact: true }).waitFor({ timeout: 30_000 });
    await row.getByRole("button", { name: "Copy run id" }).waitFor({ state: "detached", timeout: 30_000 });
    await page.getByRole("button", { name: `Stop ${facts.label}` }).click();
    await row.getByText("Stopped", { exact: true }).waitFor({ timeout: 60_000 });
    await world.audit(page, "a stopped worker");
    await page.getByRole("button", { name: `Start ${facts.label}` }).click();
    await row.getByText("Running", { exact: true }).waitFor({ timeout: 60_000 });
  },

  /** A worker is upgraded before one's eyes, step by step, and taken back. */
  async upgrade(facts, world) {
    const page = await view(world, "#/upgrades");
    const row = rowOf(page, facts.label);
    await row.getByText(`behind ${facts.to}`).waitFor({ timeout: 30_000 });
    await page.evaluate(() => {
      globalThis.stepsSeen = new Set();
      new MutationObserver(() => {
        for (const step of document.querySelectorAll("[aria-current=step]")) globalThis.stepsSeen.add(step.textContent);
      }).observe(document.body, { subtree: true, childList: true, attributes: true });
    });
    await row.getByRole("button", { name: `Upgrade ${facts.label}` }).click();
    const dialog = page.getByRole("dialog");
    const plan = dialog.locator("[data-plan]");
    await plan.waitFor();
    for (const words of [`${facts.from} → ${facts.to}`, facts.console, "channel stable"])
      world.want(
        (await plan.innerText()).includes(words),
        `the plan says nothing of ${words}: ${await plan.innerText()}`,
      );
    await world.audit(page, "the plan of an upgrade");
    await dialog.getByRole("button", { name: `Upgrade to ${facts.to}` }).click();
    await page.getByRole("heading", { name: "Under way" }).waitFor();
    await page.getByRole("heading", { name: "Under way" }).waitFor({ state: "detached", timeout: 90_000 });
    const seen = await page.evaluate(() => [...globalThis.stepsSeen]);
    world.want(seen.includes("verify") && seen.length > 2, `the steps that were seen are ${seen}`);
    await row.getByText(facts.to, { exact: true }).waitFor({ timeout: 30_000 });
    await page.locator("[data-operation]").first().getByText("Succeeded").waitFor();
    await world.audit(page, "after an upgrade");
    await row.getByRole("button", { name: `Roll back ${facts.label}` }).click();
    await dialog.getByRole("button", { name: "Go back" }).click();
    await row.getByText(`behind ${facts.to}`).waitFor({ timeout: 90_000 });
    await page.getByRole("heading", { name: "Under way" }).waitFor({ state: "detached", timeout: 90_000 });
  },

  /** What a rollout did to the workers stands here, too. */
  async rolledOut(facts, world) {
    const page = await view(world, "#/upgrades");
    for (const label of [facts.label, facts.second])
      await rowOf(page, label).getByText(facts.to, { exact: true }).waitFor({ timeout: 30_000 });
    await page.locator("[data-operation]").first().getByText("Succeeded").waitFor();
    await world.audit(page, "after a rollout");
  },
};
