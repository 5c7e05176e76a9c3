/** How a stretch of terminal output looks. */
export interface Look {
  /** As CSS has it; null: the page's own. */
  color: string | null;
  background: string | null;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  reverse: boolean;
}

const ordinary: Look = {
  color: null,
  background: null,
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  reverse: false,
};

/** A colour of the palette of 256: sixteen, a cube of six steps, and greys. */
function palette(n: number): string | null {
  if (!(n >= 0 && n <= 255)) return null;
  if (n < 16) return `var(--ansi-${n})`; // the theme's, so that they can be read on it
  if (n >= 232) {
    const grey = 8 + (n - 232) * 10;
    return `rgb(${grey}, ${grey}, ${grey})`;
  }
  const step = (i: number) => (i === 0 ? 0 : 55 + i * 40);
  const cube = n - 16;
  return `rgb(${step(Math.floor(cube / 36))}, ${step(Math.floor(cube / 6) % 6)}, ${step(cube % 6)})`;
}

/** The colour that 38 or 48 introduces, and how many of the numbers it took. */
function extended(numbers: number[], at: number): [string | null, number] {
  if (numbers[at + 1] === 5) return [palette(numbers[at + 2] ?? -1), 2];
  if (numbers[at + 1] !== 2) return [null, 0];
  const rgb = numbers.slice(at + 2, at + 5);
  return rgb.length === 3 && rgb.every((v) => v >= 0 && v <= 255) ? [`rgb(${rgb.join(", ")})`, 4] : [null, 4];
}

/** The look after one sequence of SGR numbers (ECMA-48, 8.3.117; the colours as xterm has them). */
function select(look: Look, numbers: number[]): Look {
  let next = { ...look };
  for (let i = 0; i < numbers.length; i++) {
    const n = numbers[i] ?? 0;
    if (n === 0) next = { ...ordinary };
    else if (n === 1) next.bold = true;
    else if (n === 2) next.dim = true;
    else if (n === 3) next.italic = true;
    else if (n === 4) next.underline = true;
    else if (n === 7) next.reverse = true;
    else if (n === 22) next.bold = next.dim = false;
    else if (n === 23) next.italic = false;
    else if (n === 24) next.underline = false;
    else if (n === 27) next.reverse = false;
    else if (n === 39) next.color = null;
    else if (n === 49) next.background = null;
    else if (n >= 30 && n <= 37) next.color = palette(n - 30);
    else if (n >= 40 && n <= 47) next.background = palette(n - 40);
    else if (n >= 90 && n <= 97) next.color = palette(n - 82);
    else if (n >= 100 && n <= 107) next.background = palette(n - 92);
    else if (n === 38 || n === 48) {
      const [colour, taken] = extended(numbers, i);
      if (n === 38) next.color = colour;
      else next.background = colour;
      i += taken;
    }
  }
  return next;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: that is how a colour begins
const sequence = /\u001b\[([0-9;:]*)m/g;

/** The text of a line between its colour sequences, with how each part looks. The work grows with the line alone. */
export function colours(line: string): { text: string; look: Look }[] {
  const out: { text: string; look: Look }[] = [];
  let look = ordinary;
  let from = 0;
  for (const match of line.matchAll(sequence)) {
    if (match.index > from) out.push({ text: line.slice(from, match.index), look });
    look = select(look, (match[1] ?? "").split(/[;:]/, 32).map(Number));
    from = match.index + match[0].length;
  }
  if (from < line.length) out.push({ text: line.slice(from), look });
  return out;
}
