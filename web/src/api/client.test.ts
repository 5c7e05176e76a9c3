import { describe, expect, it, vi } from "vitest";
import { ApiClient, ApiError } from "./client.ts";
import { sessionToken, takeToken } from "./token.ts";

function memoryStorage(): Storage {
  const map = new Map<string, string>();
  return {
    getItem: (k: string) => map.get(k) ?? null,
    setItem: (k: string, v: string) => void map.set(k, v),
    removeItem: (k: string) => void map.delete(k),
    clear: () => map.clear(),
    key: () => null,
    length: 0,
  };
}

describe("takeToken", () => {
  const take = (href: string) => {
    const store = sessionToken("k", memoryStorageOf());
    const replaceState = vi.fn();
    const taken = takeToken(store, { href }, { state: { a: 1 }, replaceState });
    return { store, taken, replaceState };
  };
  const memoryStorageOf = () => {
    const storage = memoryStorage();
    return () => storage;
  };

  it("moves the token out of the address and leaves the rest of it", () => {
    const { store, taken, replaceState } = take("http://127.0.0.1:3000/activate?code=WDJB-MJHT&token=pwk_1#top");
    expect(taken).toBe(true);
    expect(store.get()).toBe("pwk_1");
    expect(replaceState).toHaveBeenCalledWith({ a: 1 }, "", "/activate?code=WDJB-MJHT#top");
  });

  it("touches nothing without one", () => {
    const { store, taken, replaceState } = take("http://127.0.0.1:3000/runs");
    expect(taken).toBe(false);
    expect(store.get()).toBeNull();
    expect(replaceState).not.toHaveBeenCalled();
  });

  it("strips an empty one too, but keeps the token there was", () => {
    const storage = memoryStorage();
    const store = sessionToken("k", () => storage);
    store.set("old");
    const replaceState = vi.fn();
    expect(takeToken(store, { href: "http://h/?token=" }, { state: null, replaceState })).toBe(false);
    expect(store.get()).toBe("old");
    expect(replaceState).toHaveBeenCalledOnce();
  });

  it("works where storage is forbidden", () => {
    const store = sessionToken("k", () => {
      throw new Error("denied");
    });
    store.set("t");
    expect(store.get()).toBe("t");
    store.clear();
    expect(store.get()).toBeNull();
  });
});

describe("ApiClient", () => {
  const answer = (status: number, body: unknown, headers: Record<string, string> = {}) =>
    new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers });

  function client(response: () => Response | Promise<Response>) {
    const onUnauthorized = vi.fn();
    const fetch = vi.fn(async (_url: string, _init: RequestInit) => response());
    const token = sessionToken("k", () => memoryStorage());
    token.set("pwk_1");
    return {
      api: new ApiClient({ token, onUnauthorized, fetch: fetch as unknown as typeof globalThis.fetch }),
      fetch,
      onUnauthorized,
    };
  }
  const failure = async (promise: Promise<unknown>): Promise<ApiError> => {
    try {
      await promise;
    } catch (cause) {
      if (cause instanceof ApiError) return cause;
      throw cause;
    }
    throw new Error("it did not fail");
  };

  it("sends the token and never cookies", async () => {
    const { api, fetch } = client(() => answer(200, { ok: true }));
    expect(await api.post("/api/x", { a: 1 })).toEqual({ ok: true });
    const init = fetch.mock.calls[0]?.[1];
    expect(init?.headers).toMatchObject({ Authorization: "Bearer pwk_1", "Content-Type": "application/json" });
    expect(init).toMatchObject({ credentials: "omit", redirect: "error", body: '{"a":1}' });
  });

  it("keeps everything a refusal says", async () => {
    const { api, onUnauthorized } = client(() =>
      answer(404, { error: "Run not found", code: "not_found", fix: "look again", requestId: "req_1" }),
    );
    expect(await failure(api.get("/api/runs/x"))).toMatchObject({
      message: "Run not found",
      status: 404,
      code: "not_found",
      fix: "look again",
      requestId: "req_1",
    });
    expect(onUnauthorized).not.toHaveBeenCalled();
  });

  it("reads the engine's second sentence, and the id from the header", async () => {
    const { api } = client(() =>
      answer(500, { error: "Failed to list runs", message: "database is away" }, { "X-Request-Id": "req_2" }),
    );
    expect(await failure(api.get("/api/runs"))).toMatchObject({
      message: "Failed to list runs: database is away",
      requestId: "req_2",
    });
  });

  it("tells when the token is refused", async () => {
    const { api, onUnauthorized } = client(() => answer(401, { error: "Unauthorized" }));
    await failure(api.get("/api/self"));
    expect(onUnauthorized).toHaveBeenCalledOnce();
  });

  it("does not choke on what a proxy says", async () => {
    expect(await failure(client(() => answer(502, "<html>Bad gateway</html>")).api.get("/x"))).toMatchObject({
      message: "The server answered HTTP 502 without saying why",
      status: 502,
    });
    expect((await failure(client(() => answer(200, "<html>")).api.get("/x"))).message).toMatch(/not JSON/);
  });

  it("has a sentence for a server that is not there", async () => {
    const { api } = client(() => Promise.reject(new TypeError("Failed to fetch")));
    const error = await failure(api.get("/x"));
    expect(error.unreachable).toBe(true);
    expect(error.message).toBe("The server could not be reached");
  });

  it("reads the beginning of a large object only", async () => {
    const { api } = client(() => answer(200, "x".repeat(5_000)));
    expect(await api.text("/x", 100)).toEqual({ text: "x".repeat(100), cut: true });
  });
});
