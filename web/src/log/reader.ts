import type { Line, LogFilter, LogPage, LogQuery, LogSource } from "./source.ts";
import { finder, plain } from "./text.ts";
import { addLive, addNewer, addOlder, around, fromEnd, type LogWindow, most, nothing } from "./window.ts";

const pageSize = 1_000;
/** A filter that finds little asks again until there is about a screen of lines. */
const screenful = 100;
/** So many pages are fetched to go on where a lost connection left off; with more of them it begins anew at the end. */
const mostMissed = 20;
/** So many live lines wait while others are fetched; with more of them those are fetched, too. */
const mostWaiting = 5_000;

export interface LogState extends LogWindow {
  loading: "first" | "older" | "newer" | null;
  error: unknown;
  /** Lines were written that the window does not reach. */
  behind: boolean;
  /** Counts up at each jump, so that a view knows when to move. */
  jumps: number;
  /** Where the last jump went; null: to the end. */
  target: number | null;
}

/** When to show what came live: once per picture, because a program can write faster than a screen can show. */
export type Frame = (show: () => void) => () => void;

const nextFrame: Frame = (show) => {
  const id = requestAnimationFrame(show);
  // A page in the background gets no pictures, but must not hold ever more lines.
  const timer = setTimeout(show, 1_000);
  return () => {
    cancelAnimationFrame(id);
    clearTimeout(timer);
  };
};

/**
 * Reads a log around one place: more at either end as it is asked for, and live lines as they come. After a lost connection
 * it goes on behind the last line it has, so that none is missing or there twice, and the reader's place stays.
 */
export class LogReader {
  private state: LogState;
  private readonly listeners = new Set<() => void>();
  private abort = new AbortController();
  private stopListening: (() => void) | undefined;
  /** One question at a time: what is fetched goes to an end of the window, which must not move meanwhile. */
  private busy = false;
  /** Live lines that are not shown yet. */
  private waiting: Line[] = [];
  private cancelFrame: (() => void) | null = null;
  /** The reader looks at the end, and what is far above it may go. */
  private following = true;
  /** Lines may be missing behind the last one; those that come live wait until they are there. */
  private missing = false;
  /** The place that was asked for is not shown yet. */
  private unopened = true;
  private readonly fits: ((line: Line) => boolean) | null;

  constructor(
    private readonly source: LogSource,
    private readonly only: LogFilter,
    from: number | null,
    private readonly frame: Frame = nextFrame,
  ) {
    this.state = { ...nothing, loading: "first", error: null, behind: false, jumps: 0, target: from };
    this.fits = liveFilter(only);
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  getState = (): LogState => this.state;

  start(): void {
    this.stopListening = this.source.listen?.((heard) => {
      if ("reload" in heard) this.lost();
      else this.hear(heard.line);
    });
    void this.open();
  }

  stop(): void {
    this.abort.abort();
    this.unframe();
    this.stopListening?.();
  }

  /** Shows what is around a position; null: the end. */
  to = (target: number | null): void => {
    this.set({ target, jumps: this.state.jumps + 1 });
    void this.open();
  };

  retry = (): void => {
    if (this.missing && !this.unopened) void this.catchUp();
    else this.to(this.state.target);
  };

  follow = (on: boolean): void => {
    this.following = on;
  };

  loadOlder = (): void => void this.more("older");
  loadNewer = (): void => void this.more("newer");

  private ask(where: Pick<LogQuery, "before" | "after">): Promise<LogPage> {
    return this.source.page({ limit: pageSize, ...where, ...this.only }, this.abort.signal);
  }

  private async open(): Promise<void> {
    this.abort.abort();
    this.abort = new AbortController();
    this.waiting = [];
    this.unframe();
    this.missing = false;
    this.unopened = true;
    await this.alone("first", async (signal) => {
      const { target } = this.state;
      let window: LogWindow;
      if (target === null) window = fromEnd(await this.ask({}));
      else window = around(...(await Promise.all([this.ask({ before: target }), this.ask({ after: target - 1 })])));
      if (signal.aborted) return;
      this.unopened = false;
      this.set({ ...window, behind: false });
      // A filter may find nothing for as long as the server looks at once.
      while (window.lines.length < screenful && window.older !== null) {
        window = addOlder(window, await this.ask({ before: window.older }));
        if (signal.aborted) return;
        this.set(window);
      }
    });
  }

  private async more(which: "older" | "newer"): Promise<void> {
    const from = this.state[which];
    if (this.busy || from === null) return;
    await this.alone(which, async (signal) => {
      const page = await this.ask(which === "older" ? { before: from } : { after: from });
      if (signal.aborted) return;
      const window = (which === "older" ? addOlder : addNewer)(this.state, page);
      this.set({ ...window, behind: this.state.behind && window.newer !== null });
    });
  }

  private hear(line: Line): void {
    if (this.fits === null) {
      this.later();
      return;
    }
    if (!this.fits(line)) return;
    this.waiting.push(line);
    if (this.waiting.length > mostWaiting && (this.busy || this.missing)) {
      this.waiting = [];
      this.missing = true;
    }
    if (!this.busy && !this.missing) this.cancelFrame ??= this.frame(this.flush);
  }

  private readonly flush = (): void => {
    this.unframe();
    const lines = this.waiting;
    this.waiting = [];
    if (lines.length === 0) return;
    const { state } = this;
    const last = state.lines.at(-1);
    // Whoever reads further up keeps what is read; new lines are there to go to.
    if (!this.following && last && state.lines.length + lines.length > most) {
      this.set({ newer: state.newer ?? last.pos, behind: true });
      return;
    }
    const window = addLive(state, lines);
    this.set(window === state ? { behind: state.newer !== null } : window);
  };

  private unframe(): void {
    this.cancelFrame?.();
    this.cancelFrame = null;
  }

  /** The stream began anew: what was written in between is not on it. */
  private lost(): void {
    if (this.state.newer !== null && !this.busy) return; // it does not reach the end anyway
    this.missing = true;
    if (!this.busy) void this.catchUp();
  }

  /** The expression is one that only the server can try, so it is asked what of the new lines fits, once in a while. */
  private later(): void {
    if (this.missing || this.state.newer !== null) return;
    this.missing = true;
    const { signal } = this.abort;
    setTimeout(() => {
      if (!signal.aborted && !this.busy) void this.catchUp();
    }, 1_000);
  }

  /** Fetches what was written behind the last line. */
  private async catchUp(): Promise<void> {
    const last = this.state.lines.at(-1);
    if (!last || this.unopened) {
      void this.open();
      return;
    }
    let from: number | null = last.pos;
    await this.alone(null, async (signal) => {
      for (let pages = 0; from !== null; pages++) {
        if (pages >= mostMissed || (!this.following && this.state.lines.length + pageSize > most)) {
          this.set({ newer: from, behind: true });
          return;
        }
        this.missing = false; // what is lost from here on has to be asked for again
        try {
          const page = await this.ask({ after: from });
          if (signal.aborted) return;
          from = page.next;
          this.set({ ...addNewer(this.state, page), newer: null });
        } catch (cause) {
          this.missing = true;
          throw cause;
        }
      }
    });
  }

  /** Does one thing with the log, and then what has been waiting for its end. */
  private async alone(loading: LogState["loading"], work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { signal } = this.abort;
    this.busy = true;
    this.set({ loading, error: null });
    let error: unknown = null;
    try {
      await work(signal);
    } catch (cause) {
      error = cause;
    }
    if (signal.aborted) return;
    this.busy = false;
    if (this.unopened) this.missing = true;
    this.set({ loading: null, error });
    if (!this.missing || this.state.newer !== null) this.flush();
    else if (error === null) await this.catchUp();
  }

  private set(change: Partial<LogState>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.listeners) listener();
  }
}

/** What the server filters of what is stored, for what comes live; null where only the server can tell. */
function liveFilter({ find, regex, ignoreCase, mark }: LogFilter): ((line: Line) => boolean) | null {
  const pattern = find ? finder(find, regex ?? false, ignoreCase ?? false) : undefined;
  if (pattern === null) return null;
  return ({ text, mark: marked }) => {
    if (mark !== undefined && marked !== mark) return false;
    return !pattern || text.search(pattern) >= 0 || (text.includes("\u001b") && plain(text).search(pattern) >= 0);
  };
}
