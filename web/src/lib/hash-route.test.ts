// @vitest-environment happy-dom
import { act, renderHook } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";
import { goTo, parseRoute, routeHash, setSearch, useRoute } from "./hash-route.ts";

afterEach(() => {
  window.location.hash = "";
});

it("reads and writes places with any characters in their names", () => {
  const hash = routeHash(["workers", "a/b ?#%ä", "log"], { lines: "4-9", q: undefined });
  const route = parseRoute(hash);
  expect(route.path).toEqual(["workers", "a/b ?#%ä", "log"]);
  expect(Object.fromEntries(route.search)).toEqual({ lines: "4-9" });
  expect(routeHash([])).toBe("#/");
});

it("takes what people type as it is", () => {
  expect(parseRoute("").path).toEqual([]);
  expect(parseRoute("#workers").path).toEqual(["workers"]);
  expect(parseRoute("#//workers//x%").path).toEqual(["workers", "x%"]);
});

it("tells who shows it, and keeps the history short for what is only a parameter", () => {
  const { result } = renderHook(useRoute);
  act(() => goTo("#/workers"));
  act(() => {
    window.dispatchEvent(new Event("hashchange"));
  });
  expect(result.current.path).toEqual(["workers"]);
  const before = window.history.length;
  act(() => setSearch({ q: "pdf" }));
  expect(window.location.hash).toBe("#/workers?q=pdf");
  expect(result.current.search.get("q")).toBe("pdf");
  act(() => setSearch({ q: undefined }));
  expect(window.location.hash).toBe("#/workers");
  expect(window.history.length).toBe(before);
});
