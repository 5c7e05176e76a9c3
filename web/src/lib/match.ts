/** Whether some texts together hold every word that was typed; nothing typed fits everything. */
export function holdsWords(typed: string | undefined, ...texts: (string | null | undefined | false)[]): boolean {
  const words = (typed ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const all = texts.filter(Boolean).join(" ").toLowerCase();
  return words.every((word) => all.includes(word));
}
