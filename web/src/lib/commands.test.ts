import { expect, it } from "vitest";
import { type Command, matchCommands } from "./commands.ts";

const command = (label: string, group = "Go to", words?: string): Command => ({
  id: label,
  label,
  group,
  run: () => {},
  ...(words ? { words } : {}),
});
const all = [
  command("Runs"),
  command("Cancel run", "This run", "stop abort"),
  command("Dead letters", "Go to", "dlq"),
  command("pdf-processor", "Pipelines"),
];
const found = (typed: string) => matchCommands(all, typed).map((c) => c.label);

it("finds by the beginnings of words, in any order", () => {
  expect(found("")).toHaveLength(4);
  expect(found("run")).toEqual(["Runs", "Cancel run"]);
  expect(found("run can")).toEqual(["Cancel run"]);
  expect(found("dlq")).toEqual(["Dead letters"]);
  expect(found("abort")).toEqual(["Cancel run"]);
  expect(found("proc")).toEqual(["pdf-processor"]);
  expect(found("nothing like it")).toEqual([]);
});
