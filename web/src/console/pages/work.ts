// The pages of this group travel together.
export { PipelinePage } from "./pipeline.tsx";
export { PipelinesPage } from "./pipelines.tsx";
export { RunPage } from "./run.tsx";
export { RunsPage } from "./runs.tsx";
export { ServicesPage } from "./services.tsx";
