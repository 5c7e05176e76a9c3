import { expect, it } from "vitest";
import { codeProblem, writeCode } from "./user-code.ts";

it("writes what was typed the way codes are written", () => {
  expect(writeCode("wdjb mjht")).toBe("WDJB-MJHT");
  expect(writeCode("WDJB-")).toBe("WDJB");
  expect(writeCode(" wdjb-mjhtxx ")).toBe("WDJB-MJHT");
});

it("says what is wrong with a code", () => {
  expect(codeProblem("WDJB-MJHT")).toBeNull();
  expect(codeProblem("WDJB-MJH")).toMatch(/eight/);
  expect(codeProblem("WDJB-MJA0")).toMatch(/no A/);
});
