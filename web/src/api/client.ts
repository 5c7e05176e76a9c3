import type { TokenStore } from "./token.ts";

/** Every failure of a call: an answer outside 2xx, or none at all (status 0). */
export class ApiError extends Error {
  override name = "ApiError";
  readonly status: number;
  readonly code: string;
  readonly fix: string;
  readonly requestId: string;
  readonly details: unknown;

  constructor(
    message: string,
    more: { status?: number; code?: string; fix?: string; requestId?: string; details?: unknown } = {},
  ) {
    super(message);
    this.status = more.status ?? 0;
    this.code = more.code ?? "";
    this.fix = more.fix ?? "";
    this.requestId = more.requestId ?? "";
    this.details = more.details;
  }

  /** The server was not reached, so nothing is known about the request. */
  get unreachable(): boolean {
    return this.status === 0;
  }
}

interface ClientOptions {
  token: TokenStore;
  /** Called when a server says that the token is no good. The call fails as well. */
  onUnauthorized?: () => void;
  fetch?: typeof fetch;
  timeoutMs?: number;
}

interface CallOptions {
  signal?: AbortSignal;
  timeoutMs?: number;
}

/** The one way these pages speak HTTP: same origin, bearer token, JSON, a deadline, typed errors. */
export class ApiClient {
  private readonly options: ClientOptions;

  constructor(options: ClientOptions) {
    this.options = options;
  }

  get<T>(path: string, options?: CallOptions): Promise<T> {
    return this.call<T>("GET", path, undefined, options);
  }

  post<T>(path: string, body?: unknown, options?: CallOptions): Promise<T> {
    return this.call<T>("POST", path, body ?? {}, options);
  }

  patch<T>(path: string, body: unknown, options?: CallOptions): Promise<T> {
    return this.call<T>("PATCH", path, body, options);
  }

  delete<T>(path: string, options?: CallOptions): Promise<T> {
    return this.call<T>("DELETE", path, undefined, options);
  }

  /** Opens a response whose body is read as it comes. There is no deadline on the body. */
  async stream(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const response = await this.send("GET", path, { ...headers, ...this.authorization() }, undefined, signal);
    if (!response.ok) throw await this.refusal(response);
    return response;
  }

  /** Reads a stored object as text, and stops after limit bytes. */
  async text(path: string, limit: number, signal?: AbortSignal): Promise<{ text: string; cut: boolean }> {
    const abort = new AbortController();
    const either = signal ? AbortSignal.any([signal, abort.signal]) : abort.signal;
    const response = await this.stream(path, {}, either);
    const reader = response.body?.getReader();
    if (!reader) return { text: "", cut: false };
    const decoder = new TextDecoder();
    let text = "";
    for (let size = 0; ; ) {
      const { done, value } = await reader.read();
      if (done) return { text: text + decoder.decode(), cut: false };
      size += value.length;
      text += decoder.decode(value, { stream: true });
      if (size > limit) {
        abort.abort();
        return { text: text.slice(0, limit), cut: true };
      }
    }
  }

  /** Reads some bytes of a stored object from a place on, as text. What begins or ends amid a character shows that. */
  async part(
    path: string,
    from: number,
    size: number,
    signal: AbortSignal,
  ): Promise<{ text: string; from: number; to: number; total: number; binary: boolean }> {
    let response: Response;
    try {
      response = await this.stream(path, { Range: `bytes=${from}-${from + size - 1}` }, signal);
    } catch (cause) {
      // Of an object without bytes there is no part.
      if (cause instanceof ApiError && cause.status === 416)
        return { text: "", from: 0, to: 0, total: 0, binary: false };
      throw cause;
    }
    const bytes = new Uint8Array(await response.arrayBuffer());
    const total = Number(/\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "")?.[1] ?? bytes.length);
    return {
      text: new TextDecoder().decode(bytes),
      from,
      to: from + bytes.length,
      total,
      binary: bytes.subarray(0, 4_096).includes(0),
    };
  }

  async blob(path: string): Promise<Blob> {
    const response = await this.stream(path, {}, new AbortController().signal);
    return response.blob();
  }

  private authorization(): Record<string, string> {
    const token = this.options.token.get();
    return token ? { Authorization: `Bearer ${token}` } : {};
  }

  private async call<T>(method: string, path: string, body: unknown, options: CallOptions = {}): Promise<T> {
    const limit = AbortSignal.timeout(options.timeoutMs ?? this.options.timeoutMs ?? 15_000);
    const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
    const headers: Record<string, string> = { Accept: "application/json", ...this.authorization() };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const response = await this.send(
      method,
      path,
      headers,
      body === undefined ? undefined : JSON.stringify(body),
      signal,
    );
    if (!response.ok) throw await this.refusal(response);
    if (response.status === 204) return undefined as T;
    try {
      return (await response.json()) as T;
    } catch {
      throw new ApiError("The server answered with something that is not JSON", {
        status: response.status,
        fix: "Is there a proxy in between that answers itself?",
      });
    }
  }

  private async send(
    method: string,
    path: string,
    headers: Record<string, string>,
    body: string | undefined,
    signal: AbortSignal,
  ): Promise<Response> {
    try {
      return await (this.options.fetch ?? fetch)(path, {
        method,
        headers,
        body: body ?? null,
        signal,
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
      });
    } catch (cause) {
      if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
      if (cause instanceof DOMException && cause.name === "TimeoutError") {
        throw new ApiError("The server did not answer in time", { code: "timeout" });
      }
      throw new ApiError("The server could not be reached");
    }
  }

  private async refusal(response: Response): Promise<ApiError> {
    if (response.status === 401) this.options.onUnauthorized?.();
    const requestId = response.headers.get("X-Request-Id") ?? "";
    try {
      const body = (await response.json()) as Record<string, unknown>;
      const text = (key: string) => (typeof body[key] === "string" ? (body[key] as string) : "");
      const sentence = text("error") || `HTTP ${response.status}`;
      return new ApiError(text("message") ? `${sentence}: ${text("message")}` : sentence, {
        status: response.status,
        code: text("code"),
        fix: text("fix"),
        requestId: text("requestId") || requestId,
        details: body.details ?? body.validationErrors,
      });
    } catch {
      return new ApiError(`The server answered HTTP ${response.status} without saying why`, {
        status: response.status,
        fix: "Is there a proxy in between that answers itself?",
        requestId,
      });
    }
  }
}
