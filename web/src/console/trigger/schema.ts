import type { Json } from "../../api/types.ts";

/** A field of an input schema, as docs/input-schemas.md describes the language. */
export interface SchemaField {
  name: string;
  type: string;
  label: string;
  description?: string;
  helpText?: string;
  placeholder?: string;
  default?: Json;
  required: boolean;
  min?: number;
  max?: number;
  minLength?: number;
  maxLength?: number;
  accept?: string;
  maxSize?: number;
  options: { label: string; value: Json }[];
  items?: SchemaField;
  properties: SchemaField[];
  showIf?: { field: string; operator: string; value: Json };
}

type Members = { [name: string]: Json };

const members = (value: Json | undefined): Members =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
const list = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : []);
const word = (value: Json | undefined) => (typeof value === "string" ? value : undefined);
const number = (value: Json | undefined) => (typeof value === "number" ? value : undefined);

/** Reads the fields of a schema. What it does not know becomes a field for JSON. */
export function readSchema(schema: Json): SchemaField[] {
  return list(members(schema).fields).map(readField);
}

function readField(value: Json): SchemaField {
  const m = members(value);
  const shown = members(m.showIf);
  const items = m.items === undefined || m.items === null ? undefined : readField(m.items);
  const optional = {
    description: word(m.description),
    helpText: word(m.helpText),
    placeholder: word(m.placeholder),
    default: m.default ?? undefined,
    min: number(m.min),
    max: number(m.max),
    minLength: number(m.minLength),
    maxLength: number(m.maxLength),
    accept: word(m.accept),
    maxSize: number(m.maxSize),
    items,
    showIf: word(shown.field)
      ? { field: String(shown.field), operator: word(shown.operator) ?? "eq", value: shown.value ?? null }
      : undefined,
  };
  const name = word(m.name) ?? "";
  return {
    name,
    type: word(m.type) ?? "json",
    label: word(m.label) || name,
    required: m.required === true,
    options: list(m.options).map((o) => ({
      label: word(members(o).label) ?? JSON.stringify(members(o).value),
      value: members(o).value ?? null,
    })),
    properties: list(m.properties).map(readField),
    ...Object.fromEntries(Object.entries(optional).filter(([, v]) => v !== undefined)),
  } as SchemaField;
}

/** The fields of several tasks that get the same input: each name once, required where one of them says so. */
export function joinSchemas(schemas: SchemaField[][]): SchemaField[] {
  const out = new Map<string, SchemaField>();
  for (const fields of schemas) {
    for (const field of fields) {
      const other = out.get(field.name);
      out.set(field.name, other ? { ...other, required: other.required || field.required } : field);
    }
  }
  return [...out.values()];
}

/** Whether a field is asked for, given what its neighbours hold. */
export function isShown(field: SchemaField, beside: Members): boolean {
  if (!field.showIf) return true;
  const { operator, value } = field.showIf;
  const got = beside[field.showIf.field];
  const same = (a: Json | undefined, b: Json) => JSON.stringify(a) === JSON.stringify(b);
  const compare = (test: (a: number | string, b: number | string) => boolean) =>
    (typeof got === "number" && typeof value === "number") || (typeof got === "string" && typeof value === "string")
      ? test(got, value)
      : false;
  switch (operator) {
    case "ne":
      return !same(got, value);
    case "gt":
      return compare((a, b) => a > b);
    case "lt":
      return compare((a, b) => a < b);
    case "gte":
      return compare((a, b) => a >= b);
    case "lte":
      return compare((a, b) => a <= b);
    case "in":
      return list(value).some((v) => same(got, v));
    case "notIn":
      return !list(value).some((v) => same(got, v));
    default:
      return same(got, value);
  }
}

/** What a form begins with. */
export function initial(fields: SchemaField[]): Members {
  const out: Members = {};
  for (const f of fields) {
    if (f.default !== undefined) out[f.name] = f.default;
    else if (f.type === "object") {
      const inner = initial(f.properties);
      if (f.required || Object.keys(inner).length > 0) out[f.name] = inner;
    } else if (f.type === "boolean" && f.required) out[f.name] = false;
  }
  return out;
}

/** The value with one member changed, or left out where it is undefined. */
export function withMember(value: Json | undefined, name: string, next: Json | undefined): Members {
  const out = { ...members(value) };
  if (next === undefined) delete out[name];
  else out[name] = next;
  return out;
}

export { members as asMembers };

/** What is left of a form's value when fields that are not asked for are gone. */
export function shownOnly(fields: SchemaField[], value: Members): Members {
  const out = { ...value };
  for (const f of fields) {
    if (!isShown(f, value)) delete out[f.name];
    else if (f.type === "object" && out[f.name] !== undefined)
      out[f.name] = shownOnly(f.properties, members(out[f.name]));
  }
  return out;
}

/** Errors of the server by the path of their field ("rows.0.name"); of several tasks each sentence once. */
export function errorsByField(
  errors: Record<string, { field: string; message: string }[] | null>,
): Map<string, string> {
  const out = new Map<string, Set<string>>();
  for (const of of Object.values(errors)) {
    for (const e of of ?? []) {
      const seen = out.get(e.field);
      if (seen) seen.add(e.message);
      else out.set(e.field, new Set([e.message]));
    }
  }
  return new Map([...out].map(([field, said]) => [field, [...said].join("; ")]));
}

/** The errors that no field of the form shows. */
export function errorsElsewhere(
  errors: Map<string, string>,
  fields: SchemaField[],
  value: Members,
): [string, string][] {
  const known = new Set<string>();
  const note = (list: SchemaField[], at: string, v: Members) => {
    for (const f of list) {
      if (isShown(f, v)) noteValue(f, at + f.name, v[f.name]);
    }
  };
  const noteValue = (f: SchemaField, path: string, v: Json | undefined) => {
    known.add(path);
    if (f.type === "object") note(f.properties, `${path}.`, members(v));
    else if (f.type === "array")
      for (const [i, item] of list(v).entries()) f.items && noteValue(f.items, `${path}.${i}`, item);
    else if (f.type === "multiselect")
      for (const field of errors.keys()) if (field.startsWith(`${path}.`)) known.add(field);
  };
  note(fields, "", value);
  return [...errors].filter(([field]) => !known.has(field));
}
