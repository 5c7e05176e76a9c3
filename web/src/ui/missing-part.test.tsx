// @vitest-environment happy-dom
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CrashGuard } from "./crash.tsx";
import { isMissingPart, whyMissing } from "./missing-part.tsx";

beforeEach(() => {
  // The page's own script, without one that would be fetched.
  const own = document.createElement("i");
  own.setAttribute("src", "/assets/console-OLD.js");
  vi.spyOn(document, "querySelector").mockReturnValue(own);
});
afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

const page = (script: string, status = 200) =>
  vi.fn(async () => new Response(`<script type="module" src="/assets/${script}"></script>`, { status }));

describe("X9: a stale tab", () => {
  it.each([
    "Failed to fetch dynamically imported module: http://x/assets/fleet-abc.js", // Chromium
    "error loading dynamically imported module: http://x/assets/fleet-abc.js", // Firefox
    "Importing a module script failed.", // Safari
    "Unable to preload CSS for /assets/graph.css", // Vite
  ])("knows %s", (message) => {
    expect(isMissingPart(new TypeError(message))).toBe(true);
  });

  it("does not take another fault for one", () => {
    expect(isMissingPart(new TypeError("x is undefined"))).toBe(false);
    expect(isMissingPart("x")).toBe(false);
  });

  it.each([
    [page("console-NEW.js"), "replaced"],
    [page("console-OLD.js"), "unknown"],
    [page("", 503), "unreachable"],
    [vi.fn(() => Promise.reject(new TypeError("no network"))), "unreachable"],
  ] as const)("tells an update from a server that is gone", async (ask, reason) => {
    expect(await whyMissing(ask as unknown as typeof fetch)).toBe(reason);
  });

  it("says that there is a new version, and leaves no empty window", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    vi.stubGlobal("fetch", page("console-NEW.js"));
    const Gone = () => {
      throw new TypeError("Failed to fetch dynamically imported module: http://x/assets/fleet-abc.js");
    };
    render(
      <CrashGuard>
        <Gone />
      </CrashGuard>,
    );
    await screen.findByRole("button", { name: "Reload for the new version" });
    vi.unstubAllGlobals();
  });
});
