// @vitest-environment happy-dom
import { cleanup, render, screen } from "@testing-library/react";
import { useEffect } from "react";
import { afterEach, expect, it, vi } from "vitest";
import { CrashGuard } from "./crash.tsx";

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

// An effect that answers with something else than what cleans up fails when
// its component goes, which once emptied the whole window.
function Leaves({ gone }: { gone: boolean }) {
  return gone ? null : <Bad />;
}
function Bad() {
  useEffect(() => "not a function" as unknown as undefined, []);
  return <p>fine so far</p>;
}

it("says that the page failed instead of leaving the window empty", () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  const { rerender } = render(
    <CrashGuard>
      <Leaves gone={false} />
    </CrashGuard>,
  );
  screen.getByText("fine so far");
  rerender(
    <CrashGuard>
      <Leaves gone={true} />
    </CrashGuard>,
  );
  screen.getByRole("heading", { name: "This page has failed" });
  expect(screen.getByRole("alert").textContent).toMatch(/not a function/);
});
