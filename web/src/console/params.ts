/** What stands in an address before it was looked at. */
export type Raw = Record<string, unknown>;

// The address is typed by people: anything odd in it reads as absent.

export const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : typeof value === "number" ? String(value) : undefined;

export const positive = (value: unknown): number | undefined => {
  const n = Number(value);
  return Number.isInteger(n) && n > 0 ? n : undefined;
};

export const oneOf = <T extends string>(value: unknown, ...words: readonly T[]): T | undefined =>
  words.find((word) => word === value);

export const flag = (value: unknown): true | undefined =>
  value === true || value === "true" || value === 1 ? true : undefined;

/** Leaves out what is undefined, so that it does not stand in the address. */
export const present = <T extends Raw>(search: T): T =>
  Object.fromEntries(Object.entries(search).filter(([, v]) => v !== undefined)) as T;
