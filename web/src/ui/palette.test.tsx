// @vitest-environment happy-dom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import { useCommandSource, useCommands } from "../lib/commands.ts";
import { CommandPalette } from "./palette.tsx";

afterEach(cleanup);

function Page({ run, find }: { run: (what: string) => void; find?: () => Promise<never> }) {
  useCommands([
    { id: "a", label: "Runs", group: "Go to", run: () => run("runs") },
    { id: "b", label: "Cancel run", group: "This run", run: () => run("cancel") },
  ]);
  useCommandSource(async (typed, signal) => {
    await find?.();
    return signal.aborted ? [] : [{ id: "c", label: `host ${typed}`, group: "Hosts", run: () => run(typed) }];
  });
  return <CommandPalette />;
}
const openIt = () => fireEvent.keyDown(document, { key: "k", ctrlKey: true });
const options = () => screen.queryAllByRole("option", { hidden: true }).map((o) => o.textContent);

it("offers what the page can do, and does what was chosen", () => {
  const run = vi.fn();
  render(<Page run={run} />);
  expect(options()).toEqual([]);
  openIt();
  expect(options()).toEqual(["Go toRuns", "This runCancel run"]);
  const field = screen.getByRole("combobox", { hidden: true });
  fireEvent.change(field, { target: { value: "can" } });
  expect(options()).toEqual(["This runCancel run"]);
  fireEvent.keyDown(field, { key: "Enter" });
  expect(run.mock.calls).toEqual([["cancel"]]);
  expect(options()).toEqual([]);
});

it("finds more by what was typed, and a search that fails finds nothing", async () => {
  const run = vi.fn();
  const { rerender } = render(<Page run={run} />);
  openIt();
  const field = screen.getByRole("combobox", { hidden: true });
  fireEvent.change(field, { target: { value: "w1" } });
  await screen.findByText("host w1");
  fireEvent.keyDown(field, { key: "Enter" });
  expect(run.mock.calls).toEqual([["w1"]]);

  rerender(<Page run={run} find={() => Promise.reject(new Error("away"))} />);
  openIt();
  fireEvent.change(screen.getByRole("combobox", { hidden: true }), { target: { value: "w2" } });
  await screen.findByText("Nothing fits");
});
