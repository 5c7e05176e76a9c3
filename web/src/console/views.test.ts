import { expect, it } from "vitest";
import { filterOf, readViews, sameFilter, withView } from "./views.ts";

it("takes what stands in the address but the page, in any order", () => {
  expect(filterOf({ status: "failed", page: 3, hours: 24, text: undefined })).toEqual({ hours: 24, status: "failed" });
  expect(sameFilter({ status: "failed", hours: 24 }, { hours: 24, status: "failed", page: 2 })).toBe(true);
  expect(sameFilter({ status: "failed" }, {})).toBe(false);
});

it("keeps one view of a name, and twenty at most", () => {
  const one = withView([], " broken ", { status: "failed" });
  expect(one).toEqual([{ name: "broken", search: { status: "failed" } }]);
  expect(withView(one, "broken", { hours: 1 })).toEqual([{ name: "broken", search: { hours: 1 } }]);
  expect(withView(one, "  ", { hours: 1 })).toEqual(one);
  let many = one;
  for (let i = 0; i < 25; i++) many = withView(many, `v${i}`, { hours: i + 1 });
  expect(many).toHaveLength(20);
  expect(many[0]?.name).toBe("v5");
  expect(withView([], "x".repeat(99), { hours: 1 })[0]?.name).toHaveLength(40);
});

it("reads nothing of what is no list of views", () => {
  expect(readViews("{")).toEqual([]);
  expect(readViews('{"name":"a"}')).toEqual([]);
  expect(readViews('[null, 3, {"name":""}, {"name":"a","search":{"status":{}}}, {"name":"b","search":{}}]')).toEqual([
    { name: "b", search: {} },
  ]);
});
