import { createRoute } from "@tanstack/react-router";
import type { AuditSearch } from "../pages/audit.tsx";
import type { TokensSearch } from "../pages/tokens.tsx";
import { flag, positive, present, type Raw, text } from "../params.ts";
import { lazyPage } from "./lazy-page.tsx";
import { root } from "./root.ts";

const pages = () => import("../pages/admin.ts");

const tokens = createRoute({
  getParentRoute: () => root,
  path: "/tokens",
  component: lazyPage(pages, "TokensPage"),
  validateSearch: (raw: Raw): TokensSearch => present({ q: text(raw.q), kind: text(raw.kind), state: text(raw.state) }),
});
const workspaces = createRoute({
  getParentRoute: () => root,
  path: "/workspaces",
  component: lazyPage(pages, "WorkspacesPage"),
});
const audit = createRoute({
  getParentRoute: () => root,
  path: "/audit",
  component: lazyPage(pages, "AuditPage"),
  validateSearch: (raw: Raw): AuditSearch =>
    present({
      actor: text(raw.actor),
      action: text(raw.action),
      object: text(raw.object),
      hours: positive(raw.hours),
      follow: flag(raw.follow),
    }),
});

/** Who may what, and who did what. */
export const adminRoutes = [tokens, workspaces, audit] as const;
