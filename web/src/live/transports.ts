import { type ApiClient, ApiError } from "../api/client.ts";
import type { TokenStore } from "../api/token.ts";
import type { LocalFrame, StreamEvent } from "../api/types.ts";
import type { Probe, Transport } from "./link.ts";
import { SseParser } from "./sse.ts";

/** The control plane's change notices: server-sent events, read with fetch because EventSource cannot carry a token. */
export function eventStream(client: ApiClient, path: string): Transport<StreamEvent> {
  return (since, on) => {
    const abort = new AbortController();
    const read = async () => {
      const headers: Record<string, string> = { Accept: "text/event-stream" };
      if (since !== null) headers["Last-Event-ID"] = String(since);
      const response = await client.stream(path, headers, abort.signal);
      on.opened();
      const reader = response.body?.getReader();
      if (!reader) return;
      const decoder = new TextDecoder();
      const parser = new SseParser();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        on.beat();
        for (const event of parser.push(decoder.decode(value, { stream: true }))) {
          const frame = parse<StreamEvent>(event.data);
          if (frame) on.frame(frame);
        }
      }
    };
    read().then(
      () => on.closed("lost"),
      (cause) => on.closed(cause instanceof ApiError && cause.status === 401 ? "unauthorized" : "lost"),
    );
    return () => abort.abort();
  };
}

/** How the daemon closes a socket whose token was replaced. */
const revoked = 4401;

/** The daemon's WebSocket. Browsers cannot set headers on it, so the token is in its address, as the local API has it. */
export function localSocket(token: TokenStore, path: string): Transport<LocalFrame> {
  return (since, on) => {
    const url = new URL(path, window.location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("token", token.get() ?? "");
    if (since !== null) url.searchParams.set("since", String(since));
    const socket = new WebSocket(url);
    socket.onopen = () => on.opened();
    socket.onmessage = (message) => {
      const frame = typeof message.data === "string" ? parse<LocalFrame>(message.data) : null;
      if (frame) on.frame(frame);
      else on.beat();
    };
    socket.onclose = (event) => on.closed(event.code === revoked ? "unauthorized" : "lost");
    return () => {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    };
  };
}

/** A probe that asks a cheap route whether the server is there and takes our token. */
export function httpProbe(client: ApiClient, path: string): (limitMs: number) => Promise<Probe> {
  return async (timeoutMs) => {
    try {
      await client.get(path, { timeoutMs });
      return "ok";
    } catch (cause) {
      if (!(cause instanceof ApiError) || cause.unreachable) return "down";
      // Any other answer comes from a server that is there.
      return cause.status === 401 ? "unauthorized" : cause.status >= 502 ? "down" : "ok";
    }
  };
}

function parse<T>(text: string): T | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && typeof (value as { seq?: unknown }).seq === "number"
      ? (value as T)
      : null;
  } catch {
    return null;
  }
}
