import { expect, it } from "vitest";
import { originOf, readServers, serverProblem } from "./servers.ts";

it.each([
  ["https://control.example.com/runs?x=1", "https://control.example.com"],
  ["control.example.com", "https://control.example.com"],
  [" http://127.0.0.1:3000 ", "http://127.0.0.1:3000"],
  ["javascript:alert(1)", null],
  ["javascript://x/%0aalert(1)", null],
  ["data:text/html,x", null],
  ["", null],
  ["https://", null],
])("the origin of %s is %s", (typed, origin) => {
  expect(originOf(typed)).toBe(origin);
});

it("leaves out of what is stored whatever is not a server", () => {
  const text = JSON.stringify([
    { name: "production", url: "https://b.example.com/x" },
    { name: "bad", url: "javascript:alert(1)" },
    { name: 7, url: "https://a.example.com" },
    null,
    "x",
    { name: "canary", url: "https://a.example.com" },
  ]);
  expect(readServers(text)).toEqual([
    { name: "canary", url: "https://a.example.com" },
    { name: "production", url: "https://b.example.com" },
  ]);
  expect(readServers("{")).toEqual([]);
  expect(readServers('{"name":"x"}')).toEqual([]);
});

it("takes no name and no address twice, but for the one that is changed", () => {
  const kept = [{ name: "production", url: "https://b.example.com" }];
  expect(serverProblem(kept, { name: "", url: "https://c.example.com" })?.name).toBeTruthy();
  expect(serverProblem(kept, { name: "production", url: "https://c.example.com" })?.name).toBeTruthy();
  expect(serverProblem(kept, { name: "other", url: "https://b.example.com/" })?.url).toMatch(/production/);
  expect(serverProblem(kept, { name: "other", url: "nowhere at all" })?.url).toBeTruthy();
  expect(serverProblem(kept, { name: "prod", url: "https://b.example.com" }, "https://b.example.com")).toBeNull();
});
