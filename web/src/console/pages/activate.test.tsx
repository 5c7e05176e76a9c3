// @vitest-environment happy-dom
import { QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ApiError } from "../../api/client.ts";
import type { Enrollment, Session } from "../../api/types.ts";
import { Toaster } from "../../ui/toast.tsx";
import { client, queries } from "../server.ts";
import { ActivatePage } from "./activate.tsx";

const address = vi.hoisted(() => ({ code: undefined as string | undefined, navigate: vi.fn(), role: "admin" }));
vi.mock("@tanstack/react-router", async (original) => ({
  ...(await original<typeof import("@tanstack/react-router")>()),
  getRouteApi: () => ({ useSearch: () => ({ code: address.code }), useNavigate: () => address.navigate }),
  Link: ({ to, children }: { to: string; children: ReactNode }) => <a href={to}>{children}</a>,
}));
vi.mock("../gate.tsx", () => ({
  useSession: () => ({ workspaceId: "ws_default", role: address.role, address: "127.0.0.1" }) as Session,
  useMay: () => address.role === "admin",
}));
const get = vi.spyOn(client, "get");
const post = vi.spyOn(client, "post");

const waiting: Enrollment = {
  id: "ent_1",
  kind: "device",
  userCode: "WDJB-MJHT",
  status: "pending",
  hostname: "build-box",
  os: "linux",
  address: "127.0.0.1",
  createdAt: new Date(Date.now() - 20_000).toISOString(),
  expiresAt: new Date(Date.now() + 600_000).toISOString(),
  decidedAt: null,
  workspaceId: "ws_default",
};

beforeEach(() => {
  queries.clear();
  get.mockReset();
  post.mockReset();
  address.navigate.mockReset();
  address.code = "WDJB-MJHT";
  address.role = "admin";
});
afterEach(cleanup);

function show(enrollment: Partial<Enrollment> | Error) {
  if (enrollment instanceof Error) get.mockRejectedValue(enrollment);
  else get.mockResolvedValue({ ...waiting, ...enrollment });
  render(
    <QueryClientProvider client={queries}>
      <ActivatePage />
      <Toaster />
    </QueryClientProvider>,
  );
}

it("D6: decides nothing by being opened, and says who asks for what", async () => {
  show({});
  await screen.findByText("WDJB-MJHT");
  const panel = screen.getByRole("region", { name: /asks to join/ });
  for (const fact of ["build-box", "linux", "127.0.0.1", "ws_default"]) expect(panel.textContent).toContain(fact);
  expect(post).not.toHaveBeenCalled();
});

it.each([
  ["It is, approve", "approve", "approved", "build-box is approved"],
  ["It is not, deny", "deny", "denied", "build-box was denied"],
] as const)("%s", async (name, verb, status, after) => {
  let settle: (e: Enrollment) => void = () => {};
  post.mockReturnValue(new Promise((resolve) => (settle = resolve)));
  show({});
  fireEvent.click(await screen.findByRole("button", { name }));
  for (const b of await screen.findAllByRole<HTMLButtonElement>("button", { name: /^It is/ }))
    expect(b.disabled || b.getAttribute("aria-disabled") === "true").toBe(true);
  expect(post).toHaveBeenCalledExactlyOnceWith(`/api/v1/enrollments/ent_1/${verb}`);
  settle({ ...waiting, status, decidedBy: "me" });
  await screen.findByText(after);
  expect(screen.queryByText(/decided before/)).toBeNull();
});

it.each([
  [{ status: "approved", decidedBy: "alex", decidedAt: new Date().toISOString() }, "build-box is approved", "by alex"],
  [{ status: "redeemed" }, "build-box has joined", "takes work"],
  [{ status: "denied", decidedBy: "alex" }, "build-box was denied", "by alex"],
  [{ status: "revoked" }, "The access of build-box was revoked", "no access"],
  [{ status: "expired" }, "This code has expired", "new code"],
  [{ expiresAt: new Date(Date.now() - 1_000).toISOString() }, "This code has expired", "new code"],
] as [Partial<Enrollment>, string, string][])("%o", async (enrollment, title, more) => {
  show(enrollment);
  const result = (await screen.findByText(title)).closest("section");
  expect(result?.textContent).toContain(more);
  expect(screen.queryByRole("button")).toBeNull();
});

it("says which it was when somebody else decided first", async () => {
  show({});
  post.mockRejectedValue(new ApiError("already decided", { status: 409 }));
  const approve = await screen.findByRole("button", { name: "It is, approve" });
  get.mockResolvedValue({ ...waiting, status: "denied", decidedBy: "alex" });
  fireEvent.click(approve);
  await screen.findByText("build-box was denied");
});

it("keeps the question when the decision did not arrive", async () => {
  show({});
  post.mockRejectedValue(new ApiError("The server could not be reached"));
  fireEvent.click(await screen.findByRole("button", { name: "It is, approve" }));
  await screen.findByText("The decision was not taken");
  expect(screen.getByRole<HTMLButtonElement>("button", { name: "It is, approve" }).disabled).toBe(false);
});

it("tells an unknown code from a server that does not answer", async () => {
  show(new ApiError("Enrollment not found", { status: 404 }));
  await screen.findByText("No host waits with this code");
  cleanup();
  queries.clear();
  show(new ApiError("The server could not be reached"));
  await screen.findByText("The code could not be looked up");
});

it("lets viewers look only", async () => {
  address.role = "viewer";
  show({});
  await screen.findByText(/An admin has to decide/);
  expect(screen.queryByRole("button", { name: /^It is/ })).toBeNull();
});

it("takes codes as people type them, and says what is wrong with others", () => {
  address.code = undefined;
  show({});
  const field = screen.getByRole<HTMLInputElement>("textbox");
  fireEvent.change(field, { target: { value: "wdjb mjh" } });
  expect(field.value).toBe("WDJB-MJH");
  fireEvent.submit(field);
  expect(screen.getByRole("alert").textContent).toBe("A code has eight letters.");
  fireEvent.change(field, { target: { value: "wdjb mjht" } });
  fireEvent.submit(field);
  expect(address.navigate).toHaveBeenCalledExactlyOnceWith({ search: { code: "WDJB-MJHT" } });
});

it("warns where the host asked from another address than the one the operator is at", async () => {
  show({ address: "203.0.113.5" });
  await screen.findByText(/another address than yours/);
  screen.getByRole("button", { name: "It is not, deny" });
});

it("does not warn where both are at the same address", async () => {
  show({});
  await screen.findByText("WDJB-MJHT");
  expect(screen.queryByText(/another address than yours/)).toBeNull();
});
