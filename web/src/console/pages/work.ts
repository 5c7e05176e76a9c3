// The pages of this group travel together.
export { DeadLettersPage } from "./dead-letters.tsx";
export { PipelinePage } from "./pipeline.tsx";
export { PipelinesPage } from "./pipelines.tsx";
export { QueuePage } from "./queue.tsx";
export { RunPage } from "./run.tsx";
export { RunsPage } from "./runs.tsx";
export { ServicesPage } from "./services.tsx";
export { StoragePage } from "./storage.tsx";
export { TaskPage } from "./task.tsx";
