/** The letters of pairing codes: no vowels, so that no code is a word. */
const letters = "BCDFGHJKLMNPQRSTVWXZ";

/** What was typed or pasted, as codes are written: capital, in two groups. Letters that no code has stay, to be seen. */
export function writeCode(typed: string): string {
  const clean = typed
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]/g, "")
    .slice(0, 8);
  return clean.length > 4 ? `${clean.slice(0, 4)}-${clean.slice(4)}` : clean;
}

/** Why it cannot be a code, or null. */
export function codeProblem(code: string): string | null {
  const clean = code.replace("-", "");
  const odd = [...clean].find((c) => !letters.includes(c));
  if (odd) return `Codes have no ${odd}. They are made of the letters ${letters}.`;
  return clean.length === 8 ? null : "A code has eight letters.";
}
