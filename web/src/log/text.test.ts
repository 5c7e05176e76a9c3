import { expect, it } from "vitest";
import { finder, pieces, plain } from "./text.ts";

const esc = "\u001b";
const shown = (line: string, find: string | null = null) =>
  pieces(line, find === null ? null : finder(find, false, true)).map((p) => p.text);

it("keeps colours and drops what steers a terminal", () => {
  const line = `${esc}[31mred${esc}[0m ${esc}[2K${esc}]0;title\u0007plain${esc}[38;2;1;2;3mtrue`;
  expect(plain(line)).toBe("red plaintrue");
  const [red, , last] = pieces(line, null);
  expect(red).toMatchObject({ text: "red", color: "var(--ansi-1)" });
  expect(last).toMatchObject({ text: "true", color: "rgb(1, 2, 3)" });
  const [all] = pieces(`${esc}[1;3;4;38;5;208;48;5;240mx`, null);
  expect(all).toMatchObject({
    color: "rgb(255, 135, 0)",
    background: "rgb(88, 88, 88)",
    bold: true,
    italic: true,
    underline: true,
  });
  expect(pieces(`${esc}[7;31mx`, null)[0]).toMatchObject({ color: null, background: "var(--ansi-1)" });
  expect(pieces(`${esc}[31;1mx${esc}[22;39my`, null)[1]).toMatchObject({ color: null, bold: false });
  expect(pieces(`${esc}[38;5;999mx${esc}[38;2;1my`, null).map((p) => p.color)).toEqual([null, null]);
});

it("shows the last state of a bar that draws over itself", () => {
  expect(plain("10 %\r50 %\r100 %\r")).toBe("100 %");
});

it("is not turned around by characters that turn", () => {
  expect(plain("user\u202etxt.exe")).toBe("user⟨U+202E⟩txt.exe");
  expect(plain("a\u0000b\u0007c")).toBe("abc");
});

it("holds markup as text", () => {
  expect(shown("<img src=x onerror=alert(1)>")).toEqual(["<img src=x onerror=alert(1)>"]);
});

it("links web addresses and nothing else", () => {
  const found = pieces("see https://a.test/x?y=1. or javascript:alert(1)", null);
  expect(found.map((p) => [p.text, p.href])).toEqual([
    ["see ", null],
    ["https://a.test/x?y=1", "https://a.test/x?y=1"],
    [". or javascript:alert(1)", null],
  ]);
});

it("marks what was searched for, across colours", () => {
  const line = `one ${esc}[32mt${esc}[0mwo one`;
  expect(
    pieces(line, finder("TWO", false, true))
      .filter((p) => p.found)
      .map((p) => p.text),
  ).toEqual(["t", "wo"]);
  expect(shown("a.b aXb", "a.b")).toEqual(["a.b", " aXb"]);
  expect(shown("Error error", "error")).toEqual(["Error", " ", "error"]);
  expect("Error error".match(finder("error", false, false) ?? /-/)).toEqual(["error"]);
});

it("is not overwhelmed by a bomb of sequences", () => {
  expect(plain(`begin${`${esc}[1;2;3;4;5;`.repeat(50_000)}`)).toBe("begin"); // none of them ends
  expect(shown(`${`${esc}[1m`.repeat(50_000)}end`)).toEqual(["end"]);
});

it("marks what an expression matches, unless the tries could take for ever", () => {
  const tried = (find: string) => finder(find, true, false) !== null;
  expect("in 12 ms".match(finder("\\d+ ms", true, false) ?? /-/)).toEqual(["12 ms"]);
  expect("NEEDLE".match(finder("(?i)needle", true, false) ?? /-/)).toEqual(["NEEDLE"]);
  expect(["time(d)? ?out", "a|b", "[*+]{2}", "x\\+\\*"].map(tried)).toEqual([true, true, true, true]);
  expect(
    ["(a+)+$", "(a|a)*b", ".*.*=", "(", "(?P<n>a)", "a{1,999}b{1,999}", "(a)\\1", "((a{2}){2}){2}"].map(tried),
  ).toEqual(Array(8).fill(false));
  expect(tried("a?".repeat(30) + "a".repeat(30))).toBe(false);
});
