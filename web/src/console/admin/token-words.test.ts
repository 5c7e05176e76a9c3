import { expect, it } from "vitest";
import type { Token } from "../../api/types.ts";
import { tokenState } from "./token-words.ts";

const now = Date.parse("2026-11-22T10:00:00Z");
const token = (more: Partial<Token>): Token => ({
  id: "tok_1",
  kind: "pwk",
  name: "ci",
  lastFour: "abcd",
  createdAt: null,
  expiresAt: null,
  revokedAt: null,
  lastUsedAt: null,
  ...more,
});

it.each([
  [{}, "valid"],
  [{ expiresAt: "2026-11-22T10:00:01Z" }, "valid"],
  [{ expiresAt: "2026-11-22T10:00:00Z" }, "expired"],
  [{ used: true, expiresAt: "2026-11-22T09:00:00Z" }, "used"],
  [{ used: true, revokedAt: "2026-11-22T09:00:00Z" }, "revoked"],
] as [Partial<Token>, string][])("%o is %s", (more, state) => {
  expect(tokenState(token(more), now)).toBe(state);
});
