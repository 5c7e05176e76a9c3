import { expect, it } from "vitest";
import { LogReader } from "./reader.ts";
import type { Line, LogPage, LogQuery, LogSignal, LogSource } from "./source.ts";

const line = (n: number): Line => ({ pos: n * 10, at: null, text: `line ${n}`, mark: n % 2 ? "err" : "out" });

/** A server with a log, whose stream and answers can be held up. */
class Server implements LogSource {
  empty = "";
  file = "";
  lines: Line[] = [];
  down = false;
  /** While it is set, answers wait in it. */
  held: (() => void)[] | null = null;
  asked = 0;
  private listener: ((signal: LogSignal) => void) | null = null;
  connected = true;

  listen = (listener: (signal: LogSignal) => void) => {
    this.listener = listener;
    return () => {
      this.listener = null;
    };
  };

  write(...numbers: number[]): void {
    for (const n of numbers) {
      this.lines.push(line(n));
      if (this.connected) this.listener?.({ line: line(n) });
    }
  }

  reconnect(): void {
    this.connected = true;
    this.listener?.({ reload: true });
  }

  async page(query: LogQuery): Promise<LogPage> {
    this.asked++;
    const { held } = this;
    const { after, before = Number.POSITIVE_INFINITY } = query;
    const fits = this.lines.filter((l) => query.mark === undefined || l.mark === query.mark);
    const all = after !== undefined ? fits.filter((l) => l.pos > after) : fits.filter((l) => l.pos < before);
    const lines = after !== undefined ? all.slice(0, query.limit) : all.slice(-query.limit);
    const edge = after !== undefined ? lines.at(-1) : lines[0];
    if (held) await new Promise<void>((done) => held.push(done));
    if (this.down) throw new Error("away");
    return {
      lines,
      next: lines.length < all.length ? (edge?.pos ?? null) : null,
      partial: false,
      gap: false,
      count: null,
      countPartial: false,
    };
  }

  download = () => Promise.resolve(new Blob());
}

const settle = async () => {
  for (let i = 0; i < 60; i++) await Promise.resolve();
};
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const shown = (reader: LogReader) => reader.getState().lines.map((l) => l.pos / 10);

/** A reader whose pictures are drawn at once. */
async function open(server: Server, only = {}, from: number | null = null): Promise<LogReader> {
  const reader = new LogReader(server, only, from, (show) => {
    queueMicrotask(show);
    return () => {};
  });
  reader.start();
  await settle();
  return reader;
}

it("W5: goes on behind its last line after a lost connection: none is missing, none is there twice", async () => {
  const server = new Server();
  server.write(...range(0, 2_500));
  const reader = await open(server);
  expect(shown(reader)).toEqual(range(1_500, 2_500));
  server.write(2_500, 2_501);
  await settle();
  server.connected = false;
  server.write(...range(2_502, 6_000)); // more than a page
  server.connected = true;
  server.held = [];
  server.reconnect();
  server.write(6_000, 6_001); // live, while what was missed is fetched
  await settle();
  expect(shown(reader).at(-1)).toBe(2_501);
  for (const done of server.held) done();
  server.held = null;
  await settle();
  expect(shown(reader)).toEqual(range(1_500, 6_002));
});

it("W5: a connection that is lost again while the missing lines are fetched costs none either", async () => {
  const server = new Server();
  server.write(...range(0, 10));
  const reader = await open(server);
  server.connected = false;
  server.write(10, 11);
  server.held = [];
  server.reconnect();
  await settle();
  server.connected = false;
  server.write(12, 13); // not in the answer that is held, nor on the stream
  server.reconnect();
  for (const done of server.held) done();
  server.held = null;
  await settle();
  expect(shown(reader)).toEqual(range(0, 14));
});

it("W5: lines that come live wait while older ones could not be fetched", async () => {
  const server = new Server();
  server.write(...range(0, 10));
  const reader = await open(server);
  server.connected = false;
  server.write(10);
  server.down = true;
  server.reconnect();
  await settle();
  server.write(11);
  await settle();
  expect(shown(reader).at(-1)).toBe(9);
  expect(reader.getState().error).not.toBeNull();
  server.down = false;
  reader.retry();
  await settle();
  expect(shown(reader)).toEqual(range(0, 12));
  expect(reader.getState().error).toBeNull();
});

it("keeps what is read further up when the stream begins anew, and when a worker floods its log", async () => {
  const server = new Server();
  server.write(...range(0, 3_000));
  const reader = await open(server, {}, 10_000);
  reader.follow(false);
  await settle();
  const before = shown(reader);
  expect(before[0]).toBe(0);
  server.reconnect();
  await settle();
  for (let n = 3_000; n < 40_000; n += 1_000) {
    server.write(...range(n, n + 1_000));
    await settle();
  }
  expect(shown(reader)[0]).toBe(0);
  expect(shown(reader).length).toBeLessThanOrEqual(20_000);
  expect(reader.getState()).toMatchObject({ behind: true });
  reader.to(null);
  reader.follow(true);
  await settle();
  expect(shown(reader)).toEqual(range(39_000, 40_000));
});

it("filters what comes live as the server filters the rest", async () => {
  const server = new Server();
  server.write(...range(0, 10));
  const reader = await open(server, { mark: "err", find: "LINE", ignoreCase: true });
  server.write(10, 11);
  await settle();
  expect(shown(reader)).toEqual([1, 3, 5, 7, 9, 11]);
});

it("goes on by itself where a search took too long to find anything", async () => {
  const server = new Server();
  server.write(...range(0, 500));
  const page = server.page.bind(server);
  let looks = 0;
  server.page = async (query) => {
    if (looks++ >= 3) return page(query);
    return { lines: [], next: 5_000 - looks, partial: true, gap: false, count: null, countPartial: true };
  };
  const reader = await open(server, { find: "line" });
  expect(shown(reader)).toHaveLength(500);
});
