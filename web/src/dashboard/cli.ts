import { shellQuote } from "../lib/format.ts";

/** A command line of the host's program, with its arguments as a shell takes them. */
export const cli = (...args: string[]): string => ["pipedai-orchestrator", ...args.map(shellQuote)].join(" ");
