import { expect, it } from "vitest";
import { isBehind } from "./version.ts";

it.each([
  ["1.2.3", "1.2.4", true],
  ["1.2.4", "1.2.4", false],
  ["1.10.0", "1.9.9", false],
  ["v1.2.3", "1.3.0", true],
  ["1.0.0-rc.1", "1.0.0", true],
  ["1.0.0", "1.0.0-rc.1", false],
  ["1.0.0-rc.2", "1.0.0-rc.10", true],
  ["dev", "1.0.0", false],
  [null, "1.0.0", false],
  ["1.0.0", "unknown", false],
])("%s behind %s: %s", (version, newest, behind) => {
  expect(isBehind(version, newest)).toBe(behind);
});
