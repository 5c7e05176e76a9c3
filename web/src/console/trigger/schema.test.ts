import { describe, expect, it } from "vitest";
import {
  errorsByField,
  errorsElsewhere,
  initial,
  isShown,
  joinSchemas,
  readSchema,
  shownOnly,
  withMember,
} from "./schema.ts";

const fields = readSchema({
  strict: true,
  fields: [
    { name: "url", type: "url", label: "Document", required: true },
    {
      name: "mode",
      type: "select",
      label: "How",
      default: "fast",
      options: [
        { label: "Fast", value: "fast" },
        { label: "Two", value: 2 },
      ],
    },
    {
      name: "why",
      type: "textarea",
      label: "Why",
      required: true,
      showIf: { field: "mode", operator: "eq", value: 2 },
    },
    {
      name: "rows",
      type: "array",
      label: "Rows",
      items: { name: "row", type: "object", label: "Row", properties: [{ name: "n", type: "integer", label: "N" }] },
    },
    { name: "on", type: "boolean", label: "On", required: true },
  ],
});

it("reads what a schema says, and stands odd ones", () => {
  expect(fields.map((f) => [f.name, f.type, f.required])).toEqual([
    ["url", "url", true],
    ["mode", "select", false],
    ["why", "textarea", true],
    ["rows", "array", false],
    ["on", "boolean", true],
  ]);
  expect(fields[3]?.items?.properties[0]?.name).toBe("n");
  expect(readSchema(null)).toEqual([]);
  expect(readSchema({ fields: [3] })[0]?.type).toBe("json");
});

it("begins with the defaults", () => {
  expect(initial(fields)).toEqual({ mode: "fast", on: false });
});

describe("showIf", () => {
  it.each([
    ["eq", 2, 2, true],
    ["ne", 2, 2, false],
    ["gt", 3, 2, true],
    ["gt", "3", 2, false],
    ["lte", 2, 2, true],
    ["in", "a", ["a", "b"], true],
    ["notIn", "a", ["a", "b"], false],
  ] as const)("%s %s %s", (operator, got, value, want) => {
    const field = { ...fields[2], showIf: { field: "mode", operator, value: value as never } } as (typeof fields)[0];
    expect(isShown(field, { mode: got })).toBe(want);
  });

  it("leaves out what is not asked for", () => {
    expect(shownOnly(fields, { mode: "fast", why: "old", url: "x" })).toEqual({ mode: "fast", url: "x" });
    expect(shownOnly(fields, { mode: 2, why: "new", extra: 1 })).toEqual({ mode: 2, why: "new", extra: 1 });
  });
});

it("changes and leaves out members", () => {
  expect(withMember({ a: 1 }, "b", 2)).toEqual({ a: 1, b: 2 });
  expect(withMember({ a: 1 }, "a", undefined)).toEqual({});
  expect(withMember(undefined, "a", null)).toEqual({ a: null });
});

it("joins what several tasks ask for", () => {
  const more = readSchema({
    fields: [
      { name: "mode", type: "select", label: "How", required: true },
      { name: "more", type: "string", label: "More" },
    ],
  });
  expect(joinSchemas([fields, more]).map((f) => [f.name, f.required])).toContainEqual(["mode", true]);
  expect(joinSchemas([fields, more])).toHaveLength(6);
});

it("puts errors at their fields, and the rest above", () => {
  const errors = errorsByField({
    a: [
      { field: "rows.0.n", message: "Must be an integer" },
      { field: "", message: "Unrecognized" },
    ],
    b: [
      { field: "rows.0.n", message: "Must be an integer" },
      { field: "why", message: "Required" },
    ],
    c: null,
  });
  expect(errors.get("rows.0.n")).toBe("Must be an integer");
  expect(errorsElsewhere(errors, fields, { mode: "fast", rows: [{ n: 1.5 }] })).toEqual([
    ["", "Unrecognized"],
    ["why", "Required"],
  ]);
});
