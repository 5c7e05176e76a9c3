import { createRoute } from "@tanstack/react-router";
import { present, type Raw, text } from "../params.ts";
import { lazyPage } from "./lazy-page.tsx";
import { root } from "./root.ts";

const pages = () => import("../pages/fleet.ts");

const activate = createRoute({
  getParentRoute: () => root,
  path: "/activate",
  component: lazyPage(pages, "ActivatePage"),
  validateSearch: (raw: Raw): { code?: string | undefined } => present({ code: text(raw.code) }),
});
const hosts = createRoute({ getParentRoute: () => root, path: "/hosts", component: lazyPage(pages, "HostsPage") });

/** Hosts, and what they are told to run. */
export const fleetRoutes = [activate, hosts] as const;
