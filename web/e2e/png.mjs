// Makes a picture of a page smaller: 256 colours, chosen by how much of the picture they cover. A page has few colours and
// many shades between them at the edges of letters; of those the rare ones become the nearest that is kept, which no eye
// tells apart at this size.
import { deflateSync, inflateSync } from "node:zlib";

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const most = 256;

/** The same picture as an indexed PNG. It reads what the browser writes: eight bits a channel, not interlaced. */
export function smaller(png) {
  const { width, height, pixels } = read(png);
  const { palette, indices } = reduce(pixels);
  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++) rows.set(indices.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("PLTE", Buffer.from(palette.flatMap((c) => [c >> 16, (c >> 8) & 255, c & 255]))),
    chunk("IDAT", deflateSync(rows, { level: 9, memLevel: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/**
 * Whether two pictures look the same: as large, and but for a few pixels, in which a corner is smoothed a little otherwise,
 * as the browser does from one time to the next. A change of the pages changes more.
 */
export function looksLike(before, after) {
  const [a, b] = [read(before), read(after)];
  if (a.width !== b.width || a.height !== b.height) return false;
  let others = 0;
  for (let i = 0; i < a.pixels.length; i++) {
    if (a.pixels[i] === b.pixels[i]) continue;
    if (apart(a.pixels[i], b.pixels[i]) > 9 * 12 * 12 || ++others > 500) return false;
  }
  return true;
}

/** Pixels as numbers 0xRRGGBB. */
function read(png) {
  const parts = [];
  let width = 0;
  let height = 0;
  let channels = 0;
  let palette = null;
  for (let at = 8; at < png.length; ) {
    const size = png.readUInt32BE(at);
    const name = png.toString("latin1", at + 4, at + 8);
    const data = png.subarray(at + 8, at + 8 + size);
    if (name === "IHDR") {
      width = data.readUInt32BE(0);
      height = data.readUInt32BE(4);
      channels = { 2: 3, 3: 1, 6: 4 }[data[9]];
      if (data[8] !== 8 || data[12] !== 0 || !channels) throw new Error("this kind of PNG is not read here");
    }
    if (name === "PLTE") palette = data;
    if (name === "IDAT") parts.push(data);
    at += size + 12;
  }
  const raw = inflateSync(Buffer.concat(parts));
  const line = width * channels;
  const pixels = new Uint32Array(width * height);
  let before = new Uint8Array(line);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (line + 1)];
    const now = Uint8Array.from(raw.subarray(y * (line + 1) + 1, (y + 1) * (line + 1)));
    for (let x = 0; x < line; x++) {
      const left = x >= channels ? now[x - channels] : 0;
      const up = before[x];
      const corner = x >= channels ? before[x - channels] : 0;
      now[x] += [0, left, up, (left + up) >> 1, filter === 4 ? paeth(left, up, corner) : 0][filter];
    }
    for (let x = 0; x < width; x++) {
      const [from, at] = palette ? [palette, now[x] * 3] : [now, x * channels];
      pixels[y * width + x] = (from[at] << 16) | (from[at + 1] << 8) | from[at + 2];
    }
    before = now;
  }
  return { width, height, pixels };
}

function paeth(left, up, corner) {
  const p = left + up - corner;
  const [a, b, c] = [Math.abs(p - left), Math.abs(p - up), Math.abs(p - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

const apart = (a, b) => {
  const r = (a >> 16) - (b >> 16);
  const g = ((a >> 8) & 255) - ((b >> 8) & 255);
  const blue = (a & 255) - (b & 255);
  return 2 * r * r + 4 * g * g + 3 * blue * blue;
};

function reduce(pixels) {
  const count = new Map();
  for (const p of pixels) count.set(p, (count.get(p) ?? 0) + 1);
  // The most used first, but none that is as good as one that is there already.
  const byUse = [...count].sort(([a, n], [b, m]) => m - n || a - b).map(([c]) => c);
  const palette = [];
  for (let near = byUse.length > most ? 48 : 0; ; near *= 1.6) {
    palette.length = 0;
    for (const c of byUse) {
      if (palette.length > most) break;
      if (near === 0 || palette.every((kept) => apart(kept, c) > near)) palette.push(c);
    }
    if (palette.length <= most) break;
  }
  const index = new Map(palette.map((c, i) => [c, i]));
  const nearest = (c) => {
    let best = 0;
    for (let i = 1; i < palette.length; i++) if (apart(palette[i], c) < apart(palette[best], c)) best = i;
    index.set(c, best);
    return best;
  };
  return { palette, indices: Uint8Array.from(pixels, (p) => index.get(p) ?? nearest(p)) };
}

const table = Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

function chunk(name, data) {
  const out = Buffer.alloc(data.length + 12);
  out.writeUInt32BE(data.length, 0);
  out.write(name, 4, "latin1");
  data.copy(out, 8);
  let crc = 0xffffffff;
  for (const byte of out.subarray(4, data.length + 8)) crc = table[(crc ^ byte) & 255] ^ (crc >>> 8);
  out.writeUInt32BE((crc ^ 0xffffffff) >>> 0, data.length + 8);
  return out;
}
