// The wire, with the members of the Go package api. Members that Go leaves out
// when empty are optional here; a Go Time is an ISO string or null.

export type Iso = string | null;
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

// --- pipeline engine

export interface Info {
  version: string;
  mode: string;
  maxConcurrency: number;
  storageBackends: string[];
  defaultStorageBackend: string;
  database: string;
  uptime: number;
}

export interface Service {
  id: string;
  version: string;
  baseUrl: string;
  status: string;
  registeredAt: Iso;
  lastHeartbeat: Iso;
  taskCount: number;
}

export interface Task {
  id: string;
  serviceId: string;
  codeHash: string;
  codeVersion: number;
  allowedNext: string[] | null;
  timeout: number;
  retries: number;
  retryBackoff: string;
  concurrency: number;
  priority: number;
  description?: string;
  registeredAt: Iso;
  updatedAt: Iso;
}

export interface ServiceDetail {
  service: Service;
  tasks: Task[];
}

export type Structure = Record<string, { allowedNext: string[] | null }>;

export interface Pipeline {
  id: string;
  name: string;
  description: string | null;
  entry_tasks: string[];
  structure: Structure;
  version: string;
  failure_mode: string;
  created_at: Iso;
  updated_at: Iso;
}

export interface TriggerResponse {
  pipelineRunId: string;
  status: string;
  inputPath: string;
  entryTasks: string[];
  queuedTasks: string[];
  validationWarnings?: Record<string, FieldError[]>;
}

export interface FieldError {
  field: string;
  message: string;
  code: string;
}

export interface Run {
  id: string;
  pipelineId: string;
  pipelineVersion: string;
  status: string;
  failureMode: string;
  inputPath: string;
  outputPath?: string;
  structureSnapshot: Structure;
  entryTasks: string[] | null;
  error?: string;
  metadata: Json;
  createdAt: Iso;
  startedAt: Iso;
  completedAt: Iso;
}

export interface Runs {
  runs: Run[];
  total: number;
  limit: number;
  offset: number;
}

export interface Asset {
  path: string;
  size: number;
  type: string;
}

export interface PreviousAttempt {
  attempt: number;
  error: string;
  errorCode?: string;
  timestamp: string;
}

export interface TaskRun {
  id: string;
  taskId: string;
  pipelineRunId?: string;
  status: string;
  codeVersion: number;
  codeHash: string;
  codeChanged: boolean;
  firstRun: boolean;
  attempt: number;
  maxRetries: number;
  priority: number;
  inputPath: string;
  outputPath?: string;
  outputSize?: number;
  assets?: Record<string, Asset>;
  logsPath?: string;
  error?: string;
  errorCode?: string;
  selectedNext?: string[];
  previousAttempts: PreviousAttempt[] | null;
  scheduledAt: Iso;
  startedAt: Iso;
  completedAt: Iso;
  lastHeartbeat: Iso;
  createdAt: Iso;
  metadata: Json;
}

export interface RunDetail extends Run {
  pipelineRunId: string;
  tasks: TaskRun[] | null;
}

export interface QueueStatus {
  pending: number;
  running: number;
  waiting: number;
  completed: number;
  failed: number;
  dlq: number;
  oldestPending: Iso;
}

export interface StorageContent {
  path: string;
  content: Json;
}

export interface StreamEvent {
  seq: number;
  type: "run" | "service" | "worker" | "enrollment" | "mode" | "resync";
  runId?: string;
  taskRunId?: string;
  pipelineId?: string;
  id?: string;
  status?: string;
  at: Iso;
}

// --- hosts, as operators see them

export interface Session {
  name: string;
  kind: string;
  role: string;
  workspaceId: string;
  version: string;
  build: string;
}

export interface Enrollment {
  id: string;
  kind: "device" | "code";
  userCode?: string;
  status: "pending" | "approved" | "denied" | "redeemed" | "revoked" | "expired";
  label?: string;
  hostname?: string;
  os?: string;
  address?: string;
  userAgent?: string;
  createdAt: Iso;
  expiresAt: Iso;
  decidedAt: Iso;
  decidedBy?: string;
  workerId?: string;
  workspaceId: string;
}

export interface RemoteWorker {
  id: string;
  status: string;
  derivedStatus?: string;
  currentRunId: string | null;
  version: string | null;
  lastSeenAt: Iso;
  disabled: boolean;
  hostname?: string;
  label?: string;
  os?: string;
  registeredAt: Iso;
}

// --- the daemon's local API

export interface FusedWorker {
  id: string;
  label: string;
  mode: "workspace" | "pool";
  apiUrl: string;
  desiredState: "enabled" | "disabled";
  local: LocalStatus | null;
  remote: RemoteStatus | null;
  lastEvent: { type: string; at: string } | null;
  busy: boolean;
  currentRunId: string | null;
  workerVersion: string | null;
  latestWorkerVersion: string | null;
  versionStale: boolean;
  running: boolean;
  enabled: boolean;
  remoteFetchedAt: Iso;
  remoteError?: string;
}

export interface LocalStatus {
  id: string;
  state: "stopped" | "starting" | "running" | "backing-off" | "crashed";
  pid: number | null;
  startedAt: number | null;
  restarts: number;
  lastExit: { code: number | null; signal: string | null; at: number } | null;
  draining: boolean;
  lastError?: string;
  nextStartAt: number | null;
  totalRestarts: number;
  reattached: boolean;
  restartReason?: string;
}

export interface RemoteStatus {
  status: string;
  derivedStatus?: string;
  currentRunId: string | null;
  version: string | null;
  lastSeenAt: Iso;
  disabled: boolean;
}

export interface LogLine {
  ts: number;
  stream: "out" | "err";
  line: string;
}

export interface SelfStatus {
  version: string;
  latest: string | null;
  stale: boolean;
  hostname: string;
  os: string;
  pid: number;
  startedAt: Iso;
  build: string;
  home: string;
  state: string;
  controlPlanes: RemoteState[] | null;
  health: HealthItem[] | null;
}

export interface RemoteState {
  apiUrl: string;
  reachable: boolean;
  lastOkAt: Iso;
  error?: string;
  workspaceId?: string;
}

export interface HealthItem {
  code: string;
  severity: "warning" | "error";
  message: string;
  fix?: string;
  command?: string;
}

export interface LocalFrame {
  kind: "status" | "log" | "connectivity";
  seq: number;
  reset?: boolean;
  items?: FusedWorker[];
  id?: string;
  ts?: number;
  stream?: "out" | "err";
  line?: string;
}
