import { createRoute } from "@tanstack/react-router";
import type { HostsSearch } from "../host-filter.ts";
import type { ReleasesSearch } from "../pages/releases.tsx";
import { flag, oneOf, present, type Raw, text } from "../params.ts";
import { lazyPage } from "./lazy-page.tsx";
import { root } from "./root.ts";

interface RolloutsSearch {
  [key: string]: unknown;
  start?: true | undefined;
  program?: string | undefined;
  version?: string | undefined;
}

const pages = () => import("../pages/fleet.ts");

const activate = createRoute({
  getParentRoute: () => root,
  path: "/activate",
  component: lazyPage(pages, "ActivatePage"),
  validateSearch: (raw: Raw): { code?: string | undefined } => present({ code: text(raw.code) }),
});
const hosts = createRoute({
  getParentRoute: () => root,
  path: "/hosts",
  component: lazyPage(pages, "HostsPage"),
  validateSearch: (raw: Raw): HostsSearch =>
    present({
      view: oneOf(raw.view, "workers", "pool", "joining"),
      q: text(raw.q),
      state: text(raw.state),
      os: text(raw.os),
      adding: flag(raw.adding),
    }),
});
const host = createRoute({
  getParentRoute: () => root,
  path: "/hosts/$id",
  component: lazyPage(pages, "HostPage"),
});
const rollouts = createRoute({
  getParentRoute: () => root,
  path: "/rollouts",
  component: lazyPage(pages, "RolloutsPage"),
  validateSearch: (raw: Raw): RolloutsSearch =>
    present({ start: flag(raw.start), program: text(raw.program), version: text(raw.version) }),
});
const rollout = createRoute({
  getParentRoute: () => root,
  path: "/rollouts/$id",
  component: lazyPage(pages, "RolloutPage"),
});
const releases = createRoute({
  getParentRoute: () => root,
  path: "/releases",
  component: lazyPage(pages, "ReleasesPage"),
  validateSearch: (raw: Raw): ReleasesSearch =>
    present({ program: text(raw.program), channel: text(raw.channel), state: text(raw.state), open: text(raw.open) }),
});

/** Hosts, and what they are told to run. */
export const fleetRoutes = [activate, hosts, host, rollouts, rollout, releases] as const;
