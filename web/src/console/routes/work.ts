import { createRoute } from "@tanstack/react-router";
import { type Span, spans } from "../home/throughput.tsx";
import { HomePage } from "../pages/home.tsx";
import { oneOf, positive, present, type Raw, text } from "../params.ts";
import { readRunSearch } from "../run/search.ts";
import { lazyPage } from "./lazy-page.tsx";
import { root } from "./root.ts";

interface HomeSearch {
  [key: string]: unknown;
  hours?: Span | undefined;
}

export interface RunsSearch {
  [key: string]: unknown;
  status?: string | undefined;
  pipeline?: string | undefined;
  version?: string | undefined;
  text?: string | undefined;
  hours?: number | undefined;
  page?: number | undefined;
}

export interface PipelinesSearch {
  [key: string]: unknown;
  text?: string | undefined;
  sort?: "name" | "last" | "success" | "slow" | undefined;
}

export interface LettersSearch {
  [key: string]: unknown;
  pipeline?: string | undefined;
  task?: string | undefined;
  hours?: number | undefined;
}

export interface TaskSearch {
  [key: string]: unknown;
  version?: number | undefined;
  /** Two versions beside each other. */
  left?: number | undefined;
  right?: number | undefined;
  page?: number | undefined;
}

export interface QueueSearch {
  [key: string]: unknown;
  status?: string | undefined;
  task?: string | undefined;
  page?: number | undefined;
}

export interface StorageSearch {
  [key: string]: unknown;
  backend?: string | undefined;
  prefix?: string | undefined;
  object?: string | undefined;
  /** Where the part begins that is shown of an object. */
  at?: number | undefined;
}

const pages = () => import("../pages/work.ts");

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: HomePage,
  validateSearch: (raw: Raw): HomeSearch => present({ hours: spans.find((span) => span === Number(raw.hours)) }),
});
const pipelines = createRoute({
  getParentRoute: () => root,
  path: "/pipelines",
  component: lazyPage(pages, "PipelinesPage"),
  validateSearch: (raw: Raw): PipelinesSearch =>
    present({ text: text(raw.text), sort: oneOf(raw.sort, "last", "success", "slow") }),
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
      version: text(raw.version),
      text: text(raw.text),
      hours: positive(raw.hours),
      page: positive(raw.page),
    }),
});
const run = createRoute({
  getParentRoute: () => root,
  path: "/runs/$id",
  component: lazyPage(pages, "RunPage"),
  validateSearch: readRunSearch,
});
const services = createRoute({
  getParentRoute: () => root,
  path: "/services",
  component: lazyPage(pages, "ServicesPage"),
});

const letters = createRoute({
  getParentRoute: () => root,
  path: "/dead-letters",
  component: lazyPage(pages, "DeadLettersPage"),
  validateSearch: (raw: Raw): LettersSearch =>
    present({ pipeline: text(raw.pipeline), task: text(raw.task), hours: positive(raw.hours) }),
});
const task = createRoute({
  getParentRoute: () => root,
  path: "/tasks/$id",
  component: lazyPage(pages, "TaskPage"),
  validateSearch: (raw: Raw): TaskSearch =>
    present({
      version: positive(raw.version),
      left: positive(raw.left),
      right: positive(raw.right),
      page: positive(raw.page),
    }),
});
const queue = createRoute({
  getParentRoute: () => root,
  path: "/queue",
  component: lazyPage(pages, "QueuePage"),
  validateSearch: (raw: Raw): QueueSearch =>
    present({ status: text(raw.status), task: text(raw.task), page: positive(raw.page) }),
});
const storage = createRoute({
  getParentRoute: () => root,
  path: "/storage",
  component: lazyPage(pages, "StoragePage"),
  validateSearch: (raw: Raw): StorageSearch =>
    present({ backend: text(raw.backend), prefix: text(raw.prefix), object: text(raw.object), at: positive(raw.at) }),
});

/** What runs and what it runs on. */
export const workRoutes = [home, pipelines, pipeline, runs, run, letters, services, task, queue, storage] as const;
