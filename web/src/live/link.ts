import { type BackoffPolicy, backoffDelay } from "./backoff.ts";

/**
 * How the page stands to its server.
 * connecting: first try under way. live: the stream is open. lost: it is not, and neither does the server answer.
 * polling: the stream will not open, but the server answers. unauthorized: the token is no good; nothing is tried again.
 */
type Phase = "connecting" | "live" | "lost" | "polling" | "unauthorized" | "stopped";

export interface LinkState {
  phase: Phase;
  /** Failed tries since the stream was last open for a while. */
  attempts: number;
  /** When the next try starts (ms), null while one is under way or none is needed. */
  retryAt: number | null;
  /** Since when there is no stream (ms). */
  lostAt: number | null;
}

export type Probe = "ok" | "down" | "unauthorized";

/** Why everything on the page has to be fetched again. */
export type ResyncReason = "opened" | "gap" | "restarted" | "poll";

export interface TransportEvents<F> {
  opened(): void;
  /** Something came that is no frame, such as a comment that keeps the stream open. */
  beat(): void;
  frame(frame: F): void;
  closed(why: "lost" | "unauthorized"): void;
}

/** Opens one stream, resuming after sequence number since if there is one; returns what closes it. */
export type Transport<F> = (since: number | null, on: TransportEvents<F>) => () => void;

export interface Clock {
  now(): number;
  after(ms: number, fn: () => void): () => void;
}

const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};

/** Whoever looks at the page is to know within five seconds that it is cut off; nobody looks at one in the background. */
const quietWhileSeen = (): number => (document.visibilityState === "visible" ? 2_200 : 15_000);

interface LinkOptions<F> {
  transport: Transport<F>;
  seq: (frame: F) => number;
  /** The frame brings everything, so whatever the sequence was before does not matter. first: of its stream. */
  isSnapshot: (frame: F, first: boolean) => boolean;
  onFrame: (frame: F) => void;
  /** Fetch again what is shown. */
  onResync: (why: ResyncReason) => void;
  /** Asks whether the server is there, and waits no longer than this for the answer. */
  probe: (limitMs: number) => Promise<Probe>;
  /** How long nothing may be heard before the server is asked whether it is there. */
  quietMs?: () => number;
  backoff?: BackoffPolicy;
  clock?: Clock;
  random?: () => number;
}

const openLimitMs = 5_000; // for one try
const steadyMs = 5_000; // open this long: the next loss starts counting anew
const probeMs = 4_000; // for the question whether the server is there
const quietProbeMs = 2_000; // the same while a stream is open
const overdueMs = 1_500; // a timer that is so late was held up by a page that slept
const againMs = 1_000; // between tries that something else than the clock asks for
const pollMs = 5_000;
const pollAfter = 3; // failed tries

/**
 * Keeps one stream open for the whole page: resumes by sequence number, backs off with jitter, notices a stream that died
 * silently, and polls where streams do not get through. It holds no data; it says when there is some.
 */
export class Link<F> {
  private readonly o: Required<LinkOptions<F>>;
  private state: LinkState = { phase: "stopped", attempts: 0, retryAt: null, lostAt: null };
  private readonly listeners = new Set<() => void>();
  private last: number | null = null;
  /** Grows with every try, so that an event of an earlier one can be told and dropped. */
  private generation = 0;
  private close: (() => void) | null = null;
  private heardAt = 0;
  /** When the watch for silence is to end. */
  private watchedUntil = 0;
  private triedAt = Number.NEGATIVE_INFINITY;
  private cancels: Partial<Record<"retry" | "open" | "steady" | "quiet" | "poll", () => void>> = {};

  constructor(options: LinkOptions<F>) {
    this.o = {
      backoff: { baseMs: 1_000, maxMs: 10_000 },
      clock: systemClock,
      random: Math.random,
      quietMs: quietWhileSeen,
      ...options,
    };
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  getState = (): LinkState => this.state;

  /** The last sequence number that was seen. */
  get sequence(): number | null {
    return this.last;
  }

  start(): void {
    if (this.state.phase !== "stopped" && this.state.phase !== "unauthorized") return;
    this.set({ phase: "connecting", attempts: 0, retryAt: null, lostAt: null });
    this.connect();
  }

  stop(phase: "stopped" | "unauthorized" = "stopped"): void {
    this.drop();
    this.cancel("retry", "poll");
    this.set({ phase, retryAt: null });
  }

  /** Tries at once instead of when the wait is over. */
  retryNow = (): void => {
    if (this.state.retryAt === null) return;
    this.connect();
  };

  /**
   * Something says that the connection may be another: the page was asleep or in the background, or the network changed.
   * What would be noticed later is looked at now.
   */
  wake = (): void => {
    const now = this.o.clock.now();
    const rest = this.triedAt + againMs - now;
    const { phase, retryAt } = this.state;
    if (retryAt !== null) {
      if (rest <= 0) {
        if (phase === "polling") this.poll();
        this.connect();
      } else if (now + rest < retryAt) this.retryIn(rest);
    } else if (phase === "live" && rest <= 0) {
      this.triedAt = now;
      void this.askWhileOpen();
    }
  };

  private connect(): void {
    this.triedAt = this.o.clock.now();
    this.drop();
    this.cancel("retry");
    this.set({ retryAt: null });
    const generation = this.generation;
    let opened = false;
    let first = true;
    const mine =
      <A extends unknown[]>(fn: (...args: A) => void) =>
      (...args: A) => {
        if (generation === this.generation) fn(...args);
      };
    const ended = mine((why: "lost" | "unauthorized") => this.ended(why));
    this.timer("open", openLimitMs, () => ended("lost"));
    this.close = this.o.transport(this.last, {
      opened: mine(() => {
        opened = true;
        this.cancel("open", "poll");
        this.timer("steady", steadyMs, () => this.set({ attempts: 0 }));
        this.listen();
        this.set({ phase: "live", retryAt: null, lostAt: null });
        // What happened before the stream was open is not on it, and a server
        // that started anew cannot know what we missed.
        this.o.onResync("opened");
      }),
      beat: mine(() => this.listen()),
      frame: mine((frame: F) => {
        if (!opened) return;
        this.listen();
        this.take(frame, first);
        first = false;
      }),
      closed: ended,
    });
  }

  /** Puts one frame in its place in the sequence. */
  private take(frame: F, first: boolean): void {
    const seq = this.o.seq(frame);
    const last = this.last;
    if (last !== null && !this.o.isSnapshot(frame, first)) {
      if (seq <= last) {
        // A resumed stream starts above what we had. Below it, the numbers began anew.
        if (!first) return;
        this.last = seq;
        this.o.onResync("restarted");
        this.o.onFrame(frame);
        return;
      }
      if (seq > last + 1) this.o.onResync("gap");
    }
    this.last = seq;
    this.o.onFrame(frame);
  }

  private ended(why: "lost" | "unauthorized", since = this.o.clock.now()): void {
    this.drop();
    if (why === "unauthorized") this.stop("unauthorized");
    else this.lost(since);
  }

  private lost(since: number): void {
    // What was lost while the page slept says nothing about the server: the first wait is short again.
    const slept = this.state.phase === "live" && this.o.clock.now() - this.watchedUntil > overdueMs;
    const attempts = slept ? 1 : this.state.attempts + 1;
    const delay = backoffDelay(attempts, this.o.backoff, this.o.random);
    const phase = this.state.phase === "polling" ? "polling" : "lost";
    this.set({ phase, attempts, lostAt: this.state.lostAt ?? since });
    this.retryIn(delay);
    // A browser does not say why a WebSocket failed, so ask in the ordinary way.
    void this.ask();
  }

  private retryIn(ms: number): void {
    this.set({ retryAt: this.o.clock.now() + ms });
    this.timer("retry", ms, () => this.connect());
  }

  private async ask(): Promise<void> {
    const answer = await this.o.probe(probeMs);
    const { phase, attempts } = this.state;
    if (phase !== "lost" && phase !== "polling") return;
    if (answer === "unauthorized") this.stop("unauthorized");
    else if (answer === "down") {
      this.cancel("poll");
      this.set({ phase: "lost" });
    } else if (attempts >= pollAfter && phase === "lost") {
      this.set({ phase: "polling" });
      this.poll();
    }
  }

  private poll(): void {
    this.o.onResync("poll");
    this.timer("poll", pollMs, () => this.poll());
  }

  /** Something was heard: the watch for silence begins anew. */
  private listen(): void {
    this.heardAt = this.o.clock.now();
    this.watch();
  }

  private watch(): void {
    const quiet = this.o.quietMs();
    this.watchedUntil = this.o.clock.now() + quiet;
    this.timer("quiet", quiet, () => void this.askWhileOpen());
  }

  /** Nothing tells an open stream on which nothing happens from one whose other end is gone, so ask. */
  private async askWhileOpen(): Promise<void> {
    const { generation, heardAt } = this;
    const answer = await this.o.probe(quietProbeMs);
    if (generation !== this.generation || this.state.phase !== "live") return;
    if (answer === "ok" || heardAt !== this.heardAt) this.watch();
    else this.ended(answer === "unauthorized" ? "unauthorized" : "lost", heardAt);
  }

  private drop(): void {
    this.generation++;
    this.cancel("open", "steady", "quiet");
    this.close?.();
    this.close = null;
  }

  private timer(name: keyof typeof this.cancels, ms: number, fn: () => void): void {
    this.cancel(name);
    this.cancels[name] = this.o.clock.after(ms, fn);
  }

  private cancel(...names: (keyof typeof this.cancels)[]): void {
    for (const name of names) {
      this.cancels[name]?.();
      delete this.cancels[name];
    }
  }

  private set(change: Partial<LinkState>): void {
    const next = { ...this.state, ...change };
    const keys = Object.keys(next) as (keyof LinkState)[];
    if (keys.every((k) => next[k] === this.state[k])) return;
    this.state = next;
    for (const listener of this.listeners) listener();
  }
}
