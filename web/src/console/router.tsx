import { createRootRoute, createRoute, createRouter } from "@tanstack/react-router";
import { Crash } from "../ui/crash.tsx";
import { ActivatePage } from "./pages/activate.tsx";
import { HomePage } from "./pages/home.tsx";
import { HostsPage } from "./pages/hosts.tsx";
import { PipelinePage } from "./pages/pipeline.tsx";
import { PipelinesPage } from "./pages/pipelines.tsx";
import { RunPage } from "./pages/run.tsx";
import { RunsPage } from "./pages/runs.tsx";
import { ServicesPage } from "./pages/services.tsx";
import { NotFound, Shell } from "./shell.tsx";

type Raw = Record<string, unknown>;

// The address is typed by people: anything odd in it reads as absent.
const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : typeof value === "number" ? String(value) : undefined;
const positive = (value: unknown): number | undefined => {
  const n = Number(value);
  return Number.isInteger(n) && n > 0 ? n : undefined;
};
/** Leaves out what is undefined, so that it does not stand in the address. */
const present = <T extends Raw>(search: T): T =>
  Object.fromEntries(Object.entries(search).filter(([, v]) => v !== undefined)) as T;

export interface RunsSearch {
  [key: string]: unknown;
  status?: string | undefined;
  pipeline?: string | undefined;
  hours?: number | undefined;
  page?: number | undefined;
}

export interface RunSearch {
  [key: string]: unknown;
  task?: string | undefined;
  view?: "graph" | "table" | undefined;
}

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

const home = createRoute({ getParentRoute: () => root, path: "/", component: HomePage });
const activate = createRoute({
  getParentRoute: () => root,
  path: "/activate",
  component: ActivatePage,
  validateSearch: (raw: Raw): { code?: string | undefined } => present({ code: text(raw.code) }),
});
const pipelines = createRoute({ getParentRoute: () => root, path: "/pipelines", component: PipelinesPage });
const pipeline = createRoute({ getParentRoute: () => root, path: "/pipelines/$id", component: PipelinePage });
const runs = createRoute({
  getParentRoute: () => root,
  path: "/runs",
  component: RunsPage,
  validateSearch: (raw: Raw): RunsSearch =>
    present({
      status: text(raw.status),
      pipeline: text(raw.pipeline),
      hours: positive(raw.hours),
      page: positive(raw.page),
    }),
});
const run = createRoute({
  getParentRoute: () => root,
  path: "/runs/$id",
  component: RunPage,
  validateSearch: (raw: Raw): RunSearch =>
    present({ task: text(raw.task), view: raw.view === "table" || raw.view === "graph" ? raw.view : undefined }),
});
const services = createRoute({ getParentRoute: () => root, path: "/services", component: ServicesPage });
const hosts = createRoute({ getParentRoute: () => root, path: "/hosts", component: HostsPage });

export const router = createRouter({
  routeTree: root.addChildren([home, activate, pipelines, pipeline, runs, run, services, hosts]),
  defaultPreload: false,
  defaultErrorComponent: Crash,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
