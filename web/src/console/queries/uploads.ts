import { ApiError } from "../../api/client.ts";
import type { Uploaded } from "../../api/types.ts";
import { token } from "../server.ts";

/** Sends a file for a task, and says how much of it is out. Only XMLHttpRequest tells that. */
export function uploadFile(file: File, signal: AbortSignal, onSent: (bytes: number) => void): Promise<Uploaded> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/api/upload/temp");
    request.responseType = "json";
    request.setRequestHeader("Authorization", `Bearer ${token.get() ?? ""}`);
    request.upload.onprogress = (event) => onSent(Math.min(event.loaded, file.size));
    request.onload = () => {
      const body = request.response as Record<string, unknown> | null;
      if (request.status >= 200 && request.status < 300 && body) return resolve(body as unknown as Uploaded);
      const text = (key: string) => (typeof body?.[key] === "string" ? (body[key] as string) : "");
      reject(
        new ApiError(text("error") || `HTTP ${request.status}`, {
          status: request.status,
          code: text("code"),
          fix: text("fix"),
          requestId: text("requestId") || (request.getResponseHeader("X-Request-Id") ?? ""),
        }),
      );
    };
    request.onerror = () => reject(new ApiError("The server could not be reached"));
    request.onabort = () => reject(new DOMException("The upload was stopped", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    const form = new FormData();
    form.append("file", file);
    request.send(form);
  });
}
