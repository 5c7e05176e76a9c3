import { describe, expect, it } from "vitest";
import { compactJSON, jsonProblem, prettyJSON } from "./json.ts";

describe("jsonProblem", () => {
  it("is null for JSON", () => {
    expect(jsonProblem('{"a": [1, 2]}')).toBeNull();
  });

  it("says something for everything else", () => {
    for (const text of ["", "{", '{"a": 1,}', "nope"]) expect(jsonProblem(text)).toMatch(/\S/);
  });
});

it("lays JSON out, and leaves everything else alone", () => {
  expect(prettyJSON('{"a":[1,{"b":null}]}')).toBe('{\n  "a": [\n    1,\n    {\n      "b": null\n    }\n  ]\n}');
  expect(prettyJSON('{"a":1}\n{"a":2}')).toBeNull();
  expect(compactJSON(' { "a" : "b c" } ')).toBe('{"a":"b c"}');
});
