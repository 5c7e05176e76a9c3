import { createRoute } from "@tanstack/react-router";
import { HomePage } from "../pages/home.tsx";
import { positive, present, type Raw, text } from "../params.ts";
import { lazyPage } from "./lazy-page.tsx";
import { root } from "./root.ts";

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

const pages = () => import("../pages/work.ts");

const home = createRoute({ getParentRoute: () => root, path: "/", component: HomePage });
const pipelines = createRoute({
  getParentRoute: () => root,
  path: "/pipelines",
  component: lazyPage(pages, "PipelinesPage"),
});
const pipeline = createRoute({
  getParentRoute: () => root,
  path: "/pipelines/$id",
  component: lazyPage(pages, "PipelinePage"),
});
const runs = createRoute({
  getParentRoute: () => root,
  path: "/runs",
  component: lazyPage(pages, "RunsPage"),
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
  component: lazyPage(pages, "RunPage"),
  validateSearch: (raw: Raw): RunSearch =>
    present({ task: text(raw.task), view: raw.view === "table" || raw.view === "graph" ? raw.view : undefined }),
});
const services = createRoute({
  getParentRoute: () => root,
  path: "/services",
  component: lazyPage(pages, "ServicesPage"),
});

/** What runs and what it runs on. */
export const workRoutes = [home, pipelines, pipeline, runs, run, services] as const;
