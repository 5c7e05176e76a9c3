// How a host joins, as those see it who let it in or not; and how it is sent away.

/** The page that asks about a host with a code, as far as the question. */
async function lookUp(page, facts, { want }) {
  await page.getByLabel("Code from the terminal of the host").fill(facts.code);
  await page.getByRole("button", { name: "Look it up" }).click();
  await page.getByText("Is this the code in your own terminal, right now?").waitFor();
  want((await page.locator("[data-code]").innerText()).trim() === facts.code, "the page does not show the code");
  const about = await page.locator("main").innerText();
  for (const words of [facts.host, facts.system, facts.version, "127.0.0.1"])
    want(about.includes(words), `the page says nothing of ${words}:\n${about}`);
}

export const joiningSteps = {
  /** One who is asked denies, which is as easy as to approve. */
  async deny(facts, world) {
    const page = await world.at("ada", "/activate", facts, /409/);
    await world.audit(page, "entering a code");
    await lookUp(page, facts, world);
    await world.audit(page, "deciding about a host");
    await page.getByRole("button", { name: "It is not, deny" }).click();
    await page.getByText("It got no access.").waitFor();
    await world.audit(page, "a denied host");
  },

  /** Two decide in the same moment: neither page has heard of the other when both requests are on their way. */
  async both(facts, world) {
    const people = ["ada", "bob"];
    const pages = [];
    const held = [];
    let letGo;
    const together = new Promise((done) => {
      letGo = done;
    });
    for (const person of people) {
      const page = await world.at(person, "/activate", facts, /409/);
      await lookUp(page, facts, world);
      await page.route("**/api/v1/enrollments/*/approve", async (route) => {
        held.push(route);
        if (held.length === people.length) letGo();
      });
      pages.push(page);
    }
    await Promise.all(pages.map((page) => page.getByRole("button", { name: "It is, approve" }).click()));
    await together;
    await Promise.all(held.map((route) => route.continue()));
    const told = [];
    for (const page of pages) {
      await page.getByRole("link", { name: "See all hosts" }).waitFor();
      told.push(await page.getByRole("status").filter({ hasText: "See all hosts" }).innerText());
    }
    const late = told.filter((text) => text.includes("This was decided before"));
    world.want(late.length === 1, `one of them was later, and is told so: ${told.join(" | ")}`);
    const winner = people[told.findIndex((text) => !text.includes("This was decided before"))];
    world.want(late[0]?.includes(`by ${winner}`), `the other is told who decided, ${winner}: ${late[0]}`);
    await world.audit(pages[0], "an approved host");
  },

  /** The workers of a host that joined appear, and whoever may sees who let it in. */
  async joined(facts, world) {
    const page = await world.tab("bob");
    await page.getByRole("link", { name: "See all hosts" }).click();
    await page.getByRole("heading", { name: "Hosts" }).first().waitFor();
    const row = page.getByRole("table", { name: "Hosts" }).locator("[data-host]");
    await row.getByText("Online").waitFor();
    await world.audit(page, "hosts");
    // Whoever did not decide is told who did, and can take it back; whoever did is not.
    const notice = (tab) => tab.getByRole("region", { name: "Hosts that joined" });
    const other = facts.decided === "ada" ? "bob" : "ada";
    const told = await world.at(other, "/hosts", facts);
    await notice(told).getByText(`let in by ${facts.decided}`).waitFor();
    await notice(told)
      .getByRole("button", { name: `Revoke ${facts.host}` })
      .waitFor();
    await world.audit(told, "the notice of a host that joined");
    await notice(told).getByRole("button", { name: "Put these notices away" }).click();
    await notice(told).waitFor({ state: "detached" });
    const decider = await world.at(facts.decided, "/hosts", facts);
    await decider.locator("[data-host]").waitFor();
    world.want((await notice(decider).count()) === 0, "who let the host in is told that it joined");
    await page.goto(`${facts.console}/hosts`);
    await row.getByRole("link", { name: facts.host }).click();
    await page.getByRole("region", { name: "Who did what" }).getByText("enrollment.approve").first().waitFor();
    await page.locator("[data-worker]").getByText(facts.label).first().waitFor();
    await page.locator('[data-worker] [data-state="online"]').first().waitFor();
    await world.audit(page, "a host");
  },

  /** A host is revoked from its page, after its name was typed; its own dashboard turns into the page that says so. */
  async revoke(facts, world) {
    const page = await world.at("ada", "/hosts", facts);
    await page.getByRole("link", { name: facts.host }).click();
    await page.getByRole("button", { name: `Revoke ${facts.host}` }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel(`Type ${facts.host} to go on`).fill(facts.host);
    await dialog.getByRole("button", { name: "Revoke the host" }).click();
    await page.getByText("This host is revoked").waitFor();
    await world.audit(page, "a revoked host");
    const dashboard = await world.tab("dashboard");
    await dashboard.evaluate(() => {
      location.hash = "";
    });
    await dashboard.getByRole("heading", { name: "The control plane revoked this host" }).waitFor({ timeout: 30_000 });
    await dashboard
      .getByText(new RegExp(`connect .*${facts.console}`))
      .first()
      .waitFor();
    await world.audit(dashboard, "the dashboard of a revoked host");
  },
};
