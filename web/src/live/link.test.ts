import { beforeEach, describe, expect, it } from "vitest";
import { type Clock, Link, type Probe, type ResyncReason, type TransportEvents } from "./link.ts";

interface Frame {
  seq: number;
  all?: boolean;
}

/** A clock that moves only when it is told to. */
class HandClock implements Clock {
  time = 0;
  private timers: { at: number; fn: () => void }[] = [];
  now = () => this.time;
  after(ms: number, fn: () => void): () => void {
    const timer = { at: this.time + ms, fn };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((t) => t !== timer);
    };
  }
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      const next = this.timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.timers = this.timers.filter((t) => t !== next);
      this.time = next.at;
      next.fn();
      await settle();
    }
    this.time = end;
  }
}

/** Lets answered promises take effect. */
const settle = async () => {
  for (let i = 0; i < 5; i++) await Promise.resolve();
};

class Server {
  tries: { since: number | null; on: TransportEvents<Frame>; closed: boolean }[] = [];
  transport = (since: number | null, on: TransportEvents<Frame>) => {
    const attempt = { since, on, closed: false };
    this.tries.push(attempt);
    return () => {
      attempt.closed = true;
    };
  };
  get last() {
    const last = this.tries.at(-1);
    if (!last) throw new Error("nobody connected");
    return last;
  }
}

let clock: HandClock;
let server: Server;
let frames: number[];
let resyncs: ResyncReason[];
let probe: Probe;
let probes: number[];
let quiet: number;
let link: Link<Frame>;

beforeEach(() => {
  clock = new HandClock();
  server = new Server();
  frames = [];
  resyncs = [];
  probe = "down";
  probes = [];
  quiet = 15_000;
  link = new Link<Frame>({
    transport: server.transport,
    seq: (f) => f.seq,
    isSnapshot: (f) => f.all === true,
    onFrame: (f) => frames.push(f.seq),
    onResync: (why) => resyncs.push(why),
    probe: async (limitMs) => {
      probes.push(limitMs);
      return probe;
    },
    quietMs: () => quiet,
    backoff: { baseMs: 1_000, maxMs: 8_000 },
    clock,
    random: () => 1, // the longest wait
  });
});

const lose = async () => {
  server.last.on.closed("lost");
  await settle();
};

describe("sequence", () => {
  beforeEach(() => {
    link.start();
    server.last.on.opened();
    server.last.on.frame({ seq: 10, all: true });
    resyncs = [];
  });

  it("hands on what is next", () => {
    server.last.on.frame({ seq: 11 });
    server.last.on.frame({ seq: 12 });
    expect(frames).toEqual([10, 11, 12]);
    expect(resyncs).toEqual([]);
  });

  it("resumes after the last frame it saw, and drops what it had", async () => {
    server.last.on.frame({ seq: 11 });
    await lose();
    await clock.advance(1_000);
    expect(server.last.since).toBe(11);
    server.last.on.opened();
    server.last.on.frame({ seq: 12 });
    server.last.on.frame({ seq: 12 });
    expect(frames).toEqual([10, 11, 12]);
  });

  it("asks for everything after a gap, and goes on from there", () => {
    server.last.on.frame({ seq: 14 });
    server.last.on.frame({ seq: 15 });
    expect(resyncs).toEqual(["gap"]);
    expect(frames).toEqual([10, 14, 15]);
    expect(link.sequence).toBe(15);
  });

  it("takes a snapshot at any number, without asking for more", () => {
    server.last.on.frame({ seq: 400, all: true });
    server.last.on.frame({ seq: 401 });
    expect(resyncs).toEqual([]);
    expect(frames).toEqual([10, 400, 401]);
  });

  it("notices a server that started its numbers anew", async () => {
    await lose();
    await clock.advance(1_000);
    server.last.on.opened();
    resyncs = [];
    server.last.on.frame({ seq: 2 });
    server.last.on.frame({ seq: 3 });
    expect(resyncs).toEqual(["restarted"]);
    expect(frames).toEqual([10, 2, 3]);
  });

  it("ignores frames of a stream it has given up", async () => {
    const old = server.last;
    await lose();
    old.on.frame({ seq: 11 });
    old.on.closed("lost");
    expect(frames).toEqual([10]);
    expect(link.getState().attempts).toBe(1);
  });
});

describe("loss", () => {
  it("backs off, says when the next try is, and gives up no sooner", async () => {
    link.start();
    const waits: number[] = [];
    for (let i = 0; i < 6; i++) {
      await lose();
      const { retryAt, phase, attempts } = link.getState();
      expect(phase).toBe("lost");
      expect(attempts).toBe(i + 1);
      waits.push((retryAt ?? 0) - clock.time);
      await clock.advance(waits.at(-1) ?? 0);
      expect(link.getState().retryAt).toBeNull();
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
    expect(server.tries).toHaveLength(7);
  });

  it("starts counting anew only after the stream was open for a while", async () => {
    link.start();
    await lose();
    await clock.advance(1_000);
    server.last.on.opened();
    await clock.advance(1_000);
    await lose();
    expect(link.getState().attempts).toBe(2);
    await clock.advance(2_000);
    server.last.on.opened();
    await clock.advance(5_000);
    expect(link.getState().attempts).toBe(0);
  });

  it("counts since when it is lost from the first loss", async () => {
    link.start();
    await clock.advance(3_000);
    await lose();
    await clock.advance(1_000);
    await lose();
    expect(link.getState().lostAt).toBe(3_000);
    server.last.on.closed("lost");
    link.retryNow();
    server.last.on.opened();
    expect(link.getState()).toMatchObject({ phase: "live", lostAt: null, retryAt: null });
  });

  it("tries at once when asked to", async () => {
    link.start();
    await lose();
    link.retryNow();
    expect(server.tries).toHaveLength(2);
    await clock.advance(1_000);
    expect(server.tries).toHaveLength(2);
  });

  it("gives up a try that does not open", async () => {
    link.start();
    await clock.advance(5_000);
    expect(server.tries[0]?.closed).toBe(true);
    expect(link.getState().phase).toBe("lost");
  });

  it("notices a stream that went silent because the server is gone", async () => {
    link.start();
    server.last.on.opened();
    probe = "ok";
    await clock.advance(15_000);
    expect(link.getState().phase).toBe("live");
    probe = "down";
    await clock.advance(15_000);
    expect(link.getState().phase).toBe("lost");
  });

  it("W5: a page that is looked at knows within five seconds, and since when", async () => {
    quiet = 2_500;
    link.start();
    server.last.on.opened();
    await clock.advance(quiet);
    expect(quiet + (probes[0] ?? 0)).toBeLessThan(5_000); // the question was given no longer than that
    expect(link.getState()).toMatchObject({ phase: "lost", lostAt: 0 });
  });

  it("stays with a stream that speaks while the question is on its way", async () => {
    link.start();
    server.last.on.opened();
    await clock.advance(14_999);
    probe = "down";
    const asked = clock.advance(1);
    server.last.on.beat();
    await asked;
    await settle();
    expect(link.getState().phase).toBe("live");
  });

  it("W7: looks at once when the page wakes, and only once", async () => {
    link.start();
    server.last.on.opened();
    clock.time += 600_000; // asleep: no timer ran
    probe = "ok";
    link.wake();
    link.wake();
    await settle();
    expect(probes).toHaveLength(1);
    expect(link.getState().phase).toBe("live");
    clock.time += 600_000;
    probe = "down";
    link.wake();
    await settle();
    expect(link.getState().phase).toBe("lost");
    clock.time += 600_000;
    for (let i = 0; i < 5; i++) link.wake();
    expect(server.tries).toHaveLength(2);
    for (let i = 0; i < 4; i++) {
      await lose();
      await clock.advance((link.getState().retryAt ?? 0) - clock.time);
    }
    await lose(); // the wait is long by now
    for (let i = 0; i < 5; i++) link.wake();
    expect((link.getState().retryAt ?? 0) - clock.time).toBe(1_000);
    await clock.advance(1_000);
    expect(server.tries).toHaveLength(7);
  });

  it("W7: what a page lost in its sleep it looks for soon after, whatever was before", async () => {
    link.start();
    for (let i = 0; i < 4; i++) {
      await lose();
      await clock.advance((link.getState().retryAt ?? 0) - clock.time);
    }
    server.last.on.opened();
    clock.time += 600_000;
    await lose();
    expect((link.getState().retryAt ?? 0) - clock.time).toBe(1_000);
  });

  it("takes anything that comes for a sign of life", async () => {
    link.start();
    server.last.on.opened();
    for (let i = 0; i < 5; i++) {
      await clock.advance(10_000);
      server.last.on.beat();
    }
    expect(link.getState().phase).toBe("live");
  });

  it("stops for good when the token is refused", async () => {
    link.start();
    probe = "unauthorized";
    await lose();
    expect(link.getState()).toMatchObject({ phase: "unauthorized", retryAt: null });
    await clock.advance(60_000);
    expect(server.tries).toHaveLength(1);
  });
});

describe("polling", () => {
  const loseThreeTimes = async () => {
    link.start();
    for (let i = 0; i < 3; i++) {
      await lose();
      if (i < 2) await clock.advance((link.getState().retryAt ?? 0) - clock.time);
    }
  };

  it("asks in the ordinary way where streams do not get through", async () => {
    probe = "ok";
    await loseThreeTimes();
    expect(link.getState().phase).toBe("polling");
    resyncs = [];
    await clock.advance(10_000);
    expect(resyncs).toEqual(["poll", "poll"]);
  });

  it("goes on trying, and goes live when it can", async () => {
    probe = "ok";
    await loseThreeTimes();
    await clock.advance(4_000);
    server.last.on.opened();
    expect(link.getState().phase).toBe("live");
    resyncs = [];
    await clock.advance(4_000);
    expect(resyncs).toEqual([]);
  });

  it("does not poll a server that is gone", async () => {
    await loseThreeTimes();
    expect(link.getState().phase).toBe("lost");
    expect(resyncs).toEqual([]);
  });
});
