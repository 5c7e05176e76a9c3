// Made from the structs of the Go package api by tools/tstypes; "make generate" renews it. Do not edit.
//
// A member that Go leaves out when it is empty is optional. A pointer, list or map that is always there may be null.

/** An instant: RFC 3339 in UTC with milliseconds, null when there is none. */
export type Time = string | null;

/** Whatever JSON there is. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * AdoptRequest is POST /api/adopt: worker.json files of stand-alone workers
 * become managed. Without Paths and PIDs it is all that GET /api/adoptable
 * finds in the host's folder.
 */
export interface AdoptRequest {
  paths?: string[];
  pids?: number[];
  takeOver?: boolean;
  disabled?: boolean;
}

/**
 * AdoptResult answers POST /api/adopt and GET /api/adoptable, in the order of
 * the files' names.
 */
export interface AdoptResult {
  items: AdoptItem[] | null;
  operation?: Operation;
}

/** AdoptItem is one worker.json and what became, or could become, of it. */
export interface AdoptItem {
  path: string;
  label: string;
  workerId?: string;
  apiUrl?: string;
  workspaceId?: string;
  mode?: "workspace" | "pool";
  status: string; // see the Adopt... constants
  reason?: string;
  fix?: string;
  warnings?: string[];
  processes?: AdoptProcess[];
  units?: AdoptUnit[];
  adopted?: boolean;
}

/**
 * UndoAdoptRequest is POST /api/adopt/undo: an adopted worker is given back to
 * what ran it before. The answer is an AdoptResult with that one item.
 */
export interface UndoAdoptRequest {
  workerId: string;
}

/** AdoptProcess is a process that runs a worker. */
export interface AdoptProcess {
  pid: number;
  user?: string; // when it is another one's
  unit?: string; // that it belongs to
  command: string;
}

/** AdoptUnit is what a service manager has for a worker. */
export interface AdoptUnit {
  manager: "systemd" | "systemd-user" | "launchd";
  name: string;
  file?: string;
  active: boolean;
  enabled: boolean; // it starts by itself, at boot or at log-in
}

/**
 * AuditLine is one line of the audit log: who did what to the control plane,
 * or was kept from it.
 */
export interface AuditLine {
  seq: number;
  at: Time;
  actor: string; // the name of a token or of a host; empty: a caller that proved to be nobody
  kind: string; // of the actor's credential: "pwk", "hos", "wkt", "local", ...; empty: none
  role?: string; // of a pwk token
  token?: string; // the id of the credential
  action: string; // "noun.verb"
  object?: string;
  workspaceId?: string;
  address: string;
  outcome: "ok" | "refused" | "failed";
  code?: string; // of the error, unless ok
  requestId: string;
  detail?: string;
}

/** AuditLines answers GET /api/v1/audit. */
export interface AuditLines {
  items: AuditLine[] | null;
  nextCursor: string | null;
}

/** BuildRequest is POST /api/workers: register a new worker and run it here. */
export interface BuildRequest {
  apiUrl: string;
  workspaceId?: string;
  token?: string;
  label?: string;
  pool?: boolean;
  authMode?: "claude-max" | "api-key" | "claude_max" | "api_key";
  hostname?: string;
  tasks?: string[];
}

/**
 * BuildResult answers it: the new worker with 201, or, when the answer was not
 * to wait (?async=1, Prefer: respond-async), the operation with 202.
 */
export interface BuildResult {
  id?: string;
  operation?: Operation;
}

/** CheckInFacts is what a host says of itself. */
export interface CheckInFacts {
  os?: string; // as in RedeemRequest: "linux", "darwin", "win32"
  arch?: string; // as Go names it
  osVersion?: string;
  version?: string; // of pipedai-orchestrator
  label?: string;
  capabilities?: string[];
  time: Time;
}

/** CheckInRequest is the body of a check-in. */
export interface CheckInRequest {
  facts: CheckInFacts;
  reports?: OrderReport[];
  waitMs?: number;
  known?: string[];
}

/** CheckInResponse answers it. */
export interface CheckInResponse {
  hostId: string;
  orders: HostOrder[] | null;
  acknowledged: string[] | null;
  serverTime: Time;
  releaseKeys?: ReleaseKeys;
}

/**
 * HostOrder is something a host is to do. Its ID makes it idempotent: a host
 * that hears of it again does nothing more.
 */
export interface HostOrder {
  id: string;
  rolloutId: string;
  kind: "upgrade-workers" | "upgrade-self";
  program: string;
  version: string;
  options: OrderOptions;
  withdrawn?: boolean;
}

/** OrderOptions say how an order is carried out. */
export interface OrderOptions {
  channel?: string;
  deadlineSec?: number;
  forceAfterSec?: number;
  allowDowngrade?: boolean;
  retry?: boolean;
}

/** OrderReport is how far a host is with an order. */
export interface OrderReport {
  id: string;
  status: "accepted" | "running" | "succeeded" | "failed" | "refused" | "withdrawn";
  step?: string;
  progress?: number; // percent
  message?: string;
  error?: string;
  workers?: OrderWorker[];
}

/** OrderWorker is what became of one worker. */
export interface OrderWorker {
  workerId: string;
  fromVersion?: string;
  version?: string;
  status: string;
  error?: string;
}

/**
 * ConnectivitySample is one round of probes of the daemon: one line of
 * connectivity.log, and the sample of a "connectivity" frame.
 */
export interface ConnectivitySample {
  ts: number; // ms
  verdict: "online" | "api-unreachable" | "offline" | "unknown";
  api: Probe[] | null; // control planes, by their base URL
  internet: Internet; // best of its targets
  internetTargets?: Probe[];
}

/**
 * Probe is one try to reach a server. One that answered has a latency and a
 * status and no error, whatever the status; for one that did not both are
 * null.
 */
export interface Probe {
  url: string;
  ok: boolean; // the status was 2xx
  latencyMs: number | null;
  status: number | null;
  error?: string;
}

/**
 * Internet is whether something beyond the control planes can be reached. Off
 * says that the owner of the host wants nobody asked; it was added, as were
 * the single targets of a sample.
 */
export interface Internet {
  ok: boolean;
  latencyMs: number | null;
  status: number | null;
  error?: string;
  off?: boolean;
}

/**
 * Connectivity answers GET /api/connectivity, history oldest first. Current is
 * the latest sample of the running daemon; before its first one the verdict is
 * "unknown".
 */
export interface Connectivity {
  current: ConnectivitySample | null;
  history: ConnectivitySample[] | null;
}

/**
 * ConnectivityReport answers POST /api/connectivity/check: what stands between
 * this host and its control planes. OK says that nothing failed.
 */
export interface ConnectivityReport {
  ok: boolean;
  checks: ConnectivityCheck[] | null;
}

/** ConnectivityCheck is one thing that was looked at. */
export interface ConnectivityCheck {
  target: string; // base URL of the control plane, or what else was looked at
  check: string;
  ok: boolean;
  skipped?: boolean; // it was not made, and says why
  message: string;
  fix?: string;
  command?: string;
  latencyMs?: number;
}

/** DeadLetter is a task run that failed for good. */
export interface DeadLetter {
  id: string;
  taskRunId: string;
  taskId: string;
  pipelineRunId?: string;
  pipelineId?: string;
  codeVersion: number; // at the failure
  codeHash: string;
  error: string;
  attempts: number;
  previousAttempts: PreviousAttempt[] | null; // every attempt, the last one included
  inputPath: string;
  input: Json; // null when it cannot be read, or is large
  upstreamRefs: Json;
  failedAt: Time;
  retriedAt: Time;
  retryRunId?: string;
}

/** DeadLetters answers GET /api/dlq, newest failure first. */
export interface DeadLetters {
  items: DeadLetter[] | null;
  total: number;
}

/**
 * LetterGroup is dead letters of one task that failed alike: their errors have
 * the same fingerprint, which is the first line without numbers, ids and what is
 * quoted.
 */
export interface LetterGroup {
  id: string; // of the task and the fingerprint
  taskId: string;
  fingerprint: string;
  count: number;
  newest: Time;
  oldest: Time;
  exampleId: string;
  error: string;
}

/** LetterGroups answers GET /api/dlq/groups, the largest first. */
export interface LetterGroups {
  groups: LetterGroup[] | null;
  rest: number; // groups that are left out: 500 are told
  total: number; // dead letters of all of them
  asOf: Time;
}

/** LetterIDs answers GET /api/dlq/ids, newest failure first. */
export interface LetterIDs {
  ids: string[] | null;
  next: string | null; // what to send as after for those that follow; null: none do
}

/** RetriedDeadLetter answers POST /api/dlq/{id}/retry. */
export interface RetriedDeadLetter {
  newRunId: string;
  status: string; // "queued"
  codeVersion: number;
}

/** RetryAllRequest is POST /api/dlq/retry-all. Without a filter it means all. */
export interface RetryAllRequest {
  pipelineId?: string;
  taskId?: string;
  from?: Time; // failure
  to?: Time;
  limit?: number; // 1000
  ids?: string[];
}

/** RetriedAll answers it. */
export interface RetriedAll {
  retried: number;
  results: RetryResult[] | null;
  failed: RetryNotPossible[] | null;
}

/** RetryResult is a dead letter that runs again. */
export interface RetryResult {
  dlqId: string;
  newRunId: string;
  status: string; // "queued"
  codeVersion: number;
}

/** RetryNotPossible is a dead letter that does not. */
export interface RetryNotPossible {
  dlqId: string;
  error: string;
}

/**
 * PurgeRequest is POST /api/dlq/purge: an age such as "7d" (units s, m, h, d
 * and w), or days. Neither means the configured retention. IDs are the ones to
 * delete, and no age counts then.
 */
export interface PurgeRequest {
  ids?: string[];
  olderThan?: string;
  olderThanDays?: number;
}

/** Purged answers it. */
export interface Purged {
  purged: number;
  olderThan: Time; // what failed before is gone; null where ids were given
}

/**
 * Replay answers GET and POST /api/runs/{id}/replay: what would run again, or
 * does now.
 */
export interface Replay {
  pipelineRunId: string;
  status: string; // of the run
  queued: string[] | null; // tasks that run at once
  later: string[] | null; // tasks that run again after those
  kept: number; // task runs that completed and stay
}

/**
 * RegisterRequest announces a worker: POST /api/register, and POST
 * /api/v1/workers/self/register for a pulling worker, which sends no base URL.
 * Pointers are members with a default: absent and null mean the same.
 */
export interface RegisterRequest {
  serviceId: string;
  version: string;
  baseUrl?: string;
  tasks: TaskRegistration[] | null;
  tokenFormat?: string; // of storage tokens: "A" (default), "B" or "JWE"
  capabilities?: string[]; // see the Capability constants
}

/** TaskRegistration announces one task. Defaults are the contract's. */
export interface TaskRegistration {
  id: string;
  codeHash: string;
  allowedNext: string[] | null;
  timeout?: number; // seconds; 300
  retries?: number; // 3
  retryBackoff?: "fixed" | "exponential";
  retryDelayMs?: number; // 1000
  maxRetryDelayMs?: number; // 86400000
  heartbeatIntervalMs?: number; // 60000
  concurrency?: number; // 0: unlimited
  priority?: number; // 100
  idempotencyTTL?: number; // seconds; 86400
  description?: string;
  inputSchema?: Json;
}

/** RegisterResponse answers a registration. */
export interface RegisterResponse {
  success: boolean;
  codeChanges: CodeChange[] | null;
  orphanedTasks?: string[];
}

/** CodeChange is a task whose hash differs from the stored one. */
export interface CodeChange {
  taskId: string;
  oldHash: string;
  newHash: string;
  oldVersion: number;
  newVersion: number;
}

/**
 * Dispatch hands one attempt to a worker: the body of POST
 * {baseUrl}/tasks/{taskId}, and one item of a claim answer.
 */
export interface Dispatch {
  runId: string; // wire id: carries the attempt from the second on
  taskId: string;
  pipelineRunId?: string;
  attempt: number;
  codeVersion: number;
  codeHash: string;
  storageToken: string;
  inputPath: string;
  inputSha256?: string; // hex; what the object at InputPath must hash to
  input?: Json; // only to workers that take it inline
  upstreamRefs: Json; // object, order counts, never null
  previousAttempts: Json; // those that failed; a number may be missing, where an engine died before it knew of a worker
  heartbeatIntervalMs: number;
  timeoutMs: number;
  eventsToken?: string;
  tempUploads?: Record<string, TempUpload>;
}

/** DispatchAccepted answers a dispatch with 202. */
export interface DispatchAccepted {
  acknowledged: boolean;
  runId: string;
}

/** HeartbeatRequest is POST /api/heartbeat and POST /api/progress. */
export interface HeartbeatRequest {
  runId: string;
  progress?: number;
  message?: string;
  attempt?: number;
}

/** HeartbeatResponse answers it. */
export interface HeartbeatResponse {
  acknowledged: boolean;
  shouldCancel: boolean;
}

/** CallbackRequest reports the end of an attempt: POST /api/callback/{runId}. */
export interface CallbackRequest {
  status: "success" | "failed";
  outputPath?: string;
  outputSize?: number;
  outputSha256?: string;
  assets?: Record<string, Asset>;
  logsPath?: string;
  selectedNext?: string[]; // absent: all; []: none
  error?: string;
  errorCode?: string;
  retryable?: boolean; // true
  attempt?: number;
  details?: Json;
}

/** Asset is one stored result file. */
export interface Asset {
  path: string;
  size: number;
  type: "json" | "text" | "binary";
  sha256?: string;
}

/**
 * CallbackResponse answers a report. Which members are there depends on the
 * case: success, failure, or a report of an attempt that is over.
 */
export interface CallbackResponse {
  acknowledged: boolean;
  queuedDownstream?: number;
  retrying?: boolean;
  ignored?: boolean;
}

/** UpstreamRef is one member of Dispatch.UpstreamRefs. */
export interface UpstreamRef {
  outputPath: string;
  sha256?: string; // of the output, hex
  assets?: Record<string, Asset>;
}

/** PreviousAttempt is one item of Dispatch.PreviousAttempts. */
export interface PreviousAttempt {
  attempt: number;
  error: string;
  errorCode?: string;
  timestamp: string; // when it failed
  startedAt?: string;
  retryAt?: string;
  reasonClass?: string;
}

/** Health answers GET /health. */
export interface Health {
  status: string; // "ok"
  database: string;
  maintenance: Maintenance;
  canAcceptTasks: boolean;
  maintenanceMode: string;
  timestamp: Time;
}

/** Maintenance is the maintenance status. */
export interface Maintenance {
  mode: "running" | "waiting_for_maintenance" | "maintenance";
  canEnterMaintenance: boolean;
  pendingTasks: number;
  runningTasks: number;
  modeChangedAt: Time;
  message: string;
  by?: string;
  reason?: string;
}

/** MaintenanceRequest is the optional body of POST /api/maintenance/request. */
export interface MaintenanceRequest {
  reason?: string; // why, for everybody to read
}

/** Info answers GET /api/info. */
export interface Info {
  version: string;
  mode: string;
  maxConcurrency: number;
  pollIntervalMs: number;
  storageBackends: string[] | null;
  defaultStorageBackend: string;
  database: string;
  uptime: number; // seconds
  timestamp: Time;
}

/**
 * Service is one registered service. It is active while it is heard of (a
 * registration, claim, heartbeat, report or answered dispatch), disconnected
 * when a dispatch did not reach it, and inactive after 10 minutes of silence; a
 * service whose workers pull is inactive after 2 minutes and disconnected after
 * 10. Nothing but what people see depends on it.
 */
export interface Service {
  id: string;
  version: string;
  baseUrl: string;
  status: "active" | "inactive" | "disconnected";
  registeredAt: Time;
  lastHeartbeat: Time;
  taskCount: number;
  metadata: Json;
  health: string;
  healthReason?: string;
  instances: ServiceInstance[] | null;
  elsewhere: number;
}

/** Services answers GET /api/services. */
export interface Services {
  services: Service[] | null;
}

/** ServiceDetail answers GET /api/services/{id}. */
export interface ServiceDetail {
  service: Service;
  tasks: Task[] | null;
}

/** Tasks answers GET /api/services/{id}/tasks. */
export interface Tasks {
  tasks: Task[] | null;
}

/** Task is one task definition. */
export interface Task {
  id: string;
  serviceId: string;
  codeHash: string;
  codeVersion: number;
  allowedNext: string[] | null;
  timeout: number; // seconds
  retries: number;
  retryBackoff: string;
  retryDelayMs: number;
  maxRetryDelayMs: number;
  heartbeatIntervalMs: number;
  concurrency: number;
  priority: number;
  idempotencyTTL?: number;
  description?: string;
  inputSchema?: Json;
  registeredAt: Time;
  updatedAt: Time;
}

/** CodeVersion is one item of GET /api/tasks/{id}/history, a bare array. */
export interface CodeVersion {
  code_version: number;
  code_hash: string;
  service_version: string;
  recorded_at: Time;
}

/** TaskSchema answers GET /api/tasks/{id}/input-schema. */
export interface TaskSchema {
  taskId: string;
  hasSchema: boolean;
  schema: Json; // null without one
}

/** ValidateInputRequest is POST /api/tasks/{id}/validate-input. */
export interface ValidateInputRequest {
  input?: Json;
}

/** InputValidation answers it. */
export interface InputValidation {
  valid: boolean;
  errors: FieldError[] | null;
}

/** Pipeline is a definition; this object alone is snake_case on the wire. */
export interface Pipeline {
  id: string;
  name: string;
  description: string | null;
  entry_tasks: string[] | null;
  structure: Record<string, PipelineNode> | null;
  version: string;
  failure_mode: string;
  created_at: Time;
  updated_at: Time;
  metadata: Json;
}

/** PipelineNode is one task of a structure. */
export interface PipelineNode {
  allowedNext: string[] | null;
}

/** Pipelines answers GET /api/pipelines. */
export interface Pipelines {
  pipelines: Pipeline[] | null;
}

/** PipelineDetail answers GET /api/pipelines/{id}. */
export interface PipelineDetail {
  pipeline: Pipeline;
}

/**
 * PipelineDefinition is PUT /api/pipelines/{id}: a pipeline that people write.
 * Its graph is what the registered tasks make of its entries.
 */
export interface PipelineDefinition {
  name?: string; // the id
  description?: string;
  entryTasks: string[] | null;
  failureMode?: "fail-fast" | "continue" | "partial-merge"; // fail-fast
  version?: string; // 1.0.0
  metadata?: Json;
}

/**
 * PipelinePut answers PUT /api/pipelines/{id}. With ?dryRun=1 nothing was
 * stored; Pipeline is what would be, and Validation may have errors.
 */
export interface PipelinePut {
  pipeline: Pipeline;
  validation: Validation;
}

/**
 * Validation is what is wrong with a definition. Errors forbid it, warnings do
 * not.
 */
export interface Validation {
  valid: boolean;
  errors: string[] | null;
  warnings: string[] | null;
}

/** PipelineDeleted answers DELETE /api/pipelines/{id}. */
export interface PipelineDeleted {
  success: boolean;
  pipelineId: string;
}

/**
 * TriggerResponse answers POST /api/pipelines/{id}/trigger. The request is
 * free-form (an envelope or the bare input) and read by the handler.
 */
export interface TriggerResponse {
  pipelineRunId: string;
  status: string;
  inputPath: string;
  entryTasks: string[] | null;
  queuedTasks: string[] | null;
  validationWarnings?: Record<string, FieldError[] | null>;
}

/** TriggerRequest is the envelope form of a trigger. */
export interface TriggerRequest {
  input?: Json;
  failureMode?: string;
  priority?: number;
  metadata?: Json;
  validationMode?: string;
  idempotencyKey?: string;
  scheduledFor?: Time;
  storageBackend?: string; // id; the default one if absent
}

/** FieldError is one problem of an input. */
export interface FieldError {
  field: string;
  message: string;
  code: string;
}

/** DryRun answers POST /api/pipelines/{id}/dry-run. */
export interface DryRun {
  valid: boolean;
  errors: string[] | null;
  warnings: string[] | null;
  executionPlan: PlanStep[] | null;
  inputErrors?: Record<string, FieldError[] | null>;
  inputSchemas?: Record<string, Json>;
}

/** PlanStep is one level of a plan. */
export interface PlanStep {
  step: number; // from 0
  tasks: string[] | null;
  type: "entry" | "parallel" | "join" | "end";
  waitsFor?: string[];
  isEnd: boolean;
  concurrency?: Record<string, number>;
}

/** Run is a pipeline run. */
export interface Run {
  id: string;
  pipelineId: string;
  pipelineVersion: string;
  status: string;
  failureMode: string;
  inputPath: string;
  outputPath?: string;
  structureSnapshot: Record<string, PipelineNode> | null;
  entryTasks: string[] | null;
  error?: string;
  metadata: Json;
  triggeredBy?: string; // the name of the token that started it
  createdAt: Time;
  startedAt: Time;
  completedAt: Time;
}

/** Runs answers GET /api/runs. */
export interface Runs {
  runs: Run[] | null;
  total: number;
  limit: number;
  offset: number;
}

/**
 * RecentRuns answers GET /api/recent-runs: by pipeline the newest
 * Limit runs, newest first. A pipeline that never ran is not in it.
 */
export interface RecentRuns {
  limit: number;
  pipelines: Record<string, RunGlance[] | null> | null;
}

/** RunGlance is what a list shows of a run. */
export interface RunGlance {
  id: string;
  status: string;
  createdAt: Time;
  startedAt: Time;
  completedAt: Time;
}

/** RunDetail answers GET /api/runs/{id}: the run's members, and its tasks. */
export interface RunDetail extends Run {
  pipelineRunId: string;
  tasks: TaskRun[] | null;
}

/**
 * RunChanges answers GET /api/runs/{id}/changes: where the run stands, and those
 * of its task runs that were asked for. A reader that knows another number of
 * them than Total afterwards has missed some and reads the run whole.
 */
export interface RunChanges {
  status: string;
  outputPath?: string;
  error?: string;
  startedAt: Time;
  completedAt: Time;
  total: number; // task runs of the run
  tasks: TaskRun[] | null; // by creation
}

/** TaskRun is one record of work. */
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
  idempotencyKey?: string;
  upstreamRefs: Json;
  selectedNext?: string[];
  previousAttempts: PreviousAttempt[] | null; // those that failed; numbers may be missing
  scheduledAt: Time;
  startedAt: Time;
  completedAt: Time;
  lastHeartbeat: Time;
  createdAt: Time;
  metadata: Json; // with progress and progressMessage
  supersededBy?: string;
}

/**
 * StreamEvent is the data of one server-sent event of GET /api/stream: a
 * notice that something changed, with what identifies it. Readers fetch what
 * they show. Seq grows by one; a reader that reconnects sends the last one it
 * saw as Last-Event-ID (or ?since=) and gets what it missed, or a "resync"
 * when that is no longer held.
 */
export interface StreamEvent {
  seq: number;
  type: "run" | "service" | "pipeline" | "worker" | "host" | "enrollment" | "rollout" | "release" | "mode" | "resync";
  runId?: string;
  taskRunId?: string;
  pipelineId?: string;
  id?: string; // of a service, worker, host, enrolment or rollout; of a release: its program/version
  status?: string;
  at: Time;
}

/** Host is a machine whose daemon joined the workspace. */
export interface Host {
  id: string;
  name: string; // its hostname when it joined
  label?: string;
  os?: string;
  arch?: string;
  osVersion?: string;
  version?: string; // of pipedai-orchestrator
  capabilities: string[] | null;
  status: string;
  lastSeenAt: Time;
  clockSkewMs: number;
  note?: string;
  registeredAt: Time;
  revokedAt: Time; // null: it is trusted
  revokedBy?: string;
  paused: Hold | null;
  workers: number;
  busy: number;
  disabled: number;
  warnings: string[] | null;
  workspaceId: string;
}

/** Hosts answers GET /api/v1/hosts, by name. */
export interface Hosts {
  items: Host[] | null;
}

/** HostDetail answers GET /api/v1/hosts/{id} and what is done with one. */
export interface HostDetail extends Host {
  items: RemoteWorker[] | null; // its workers, by hostname
}

/**
 * Hold is a reason why a worker gets no new runs. It gets some again when every
 * hold of it is lifted.
 */
export interface Hold {
  by?: string;
  who?: string; // the name of the token it was made with
  note?: string;
  since: Time;
  until: Time; // it lifts itself then; null: it does not
}

/**
 * SwitchRequest is the body, which may be left out, of the routes that disable
 * and enable a worker.
 */
export interface SwitchRequest {
  note?: string;
  until: Time;
  by?: string;
}

/** PauseRequest is POST /api/v1/hosts/{id}/pause. */
export interface PauseRequest {
  note?: string;
  until: Time; // null: until somebody resumes it
}

/** NoteRequest is POST /api/v1/hosts/{id}/note. */
export interface NoteRequest {
  note: string; // empty takes it away
}

/** WorkerEvents answers GET /api/v1/workers/{id}/events, oldest first. */
export interface WorkerEvents {
  items: WorkerEvent[] | null;
  next: number; // what to send as since for what follows
}

/** WorkerEvent is a lifecycle event with its number. */
export interface WorkerEvent extends LifecycleEvent {
  seq: number;
}

/**
 * HostConfig answers GET /api/config: what the daemon was started with. It is
 * changed in its file, its environment or its command line, and takes effect at
 * its next start.
 */
export interface HostConfig {
  file: string; // where "config set" writes
  items: HostSetting[] | null;
}

/** HostSetting is one setting of the daemon. */
export interface HostSetting {
  key: string;
  value: string;
  origin: string; // "default", or the flag, variable or file that says so
  usage: string;
  flag?: string;
  env?: string[];
}

/**
 * DeviceStartRequest begins a pairing: POST /api/v1/enrollments/device. The
 * facts are shown to the person who approves; only label is known to older
 * clients.
 */
export interface DeviceStartRequest {
  label?: string;
  hostname?: string;
  os?: string;
  version?: string;
}

/** DeviceStart answers it. */
export interface DeviceStart {
  id: string;
  deviceCode: string;
  userCode: string;
  verificationUri: string;
  verificationUriComplete: string;
  interval: number; // seconds
  expiresAt: Time;
  expiresIn: number; // seconds from now; added, so that a host's clock need not be right
}

/**
 * RedeemRequest trades a code or an approved device code for credentials:
 * POST /api/v1/enrollments/redeem. Exactly one of Code and DeviceCode.
 */
export interface RedeemRequest {
  code?: string;
  deviceCode?: string;
  hostname: string;
  os: string;
  version: string;
  label?: string;
}

/** RedeemResult answers it. */
export interface RedeemResult {
  workerId: string;
  workerToken: string;
  operatorToken: string;
  apiUrl: string;
  workspaceId: string;
  environmentId: string;
  authMode: string;
  releaseKeys?: ReleaseKeys;
}

/** RemoteWorker is one row of GET /api/v1/workspaces/{id}/workers. */
export interface RemoteWorker {
  id: string;
  status: "online" | "offline";
  derivedStatus?: "busy" | "online" | "offline" | "disabled";
  currentRunId: string | null;
  version: string | null;
  lastSeenAt: Time;
  disabled: boolean;
  hostname?: string;
  label?: string;
  os?: string;
  registeredAt: Time;
  host?: string; // the name of the host that keeps it
  holds?: Hold[]; // why it is disabled
}

/** RemoteWorkers is the list. */
export interface RemoteWorkers {
  items: RemoteWorker[] | null;
  nextCursor: string | null;
}

/**
 * LifecycleEvent is the data of one server-sent event of GET
 * /api/v1/workers/{id}/events/stream, and the body of POST
 * /api/v1/workers/self/events.
 */
export interface LifecycleEvent {
  type: string;
  ts: Time;
  data?: Json;
}

/** Release names the newest version of a program. */
export interface Release {
  latest: string; // or "unknown"
  source: string; // "release", or "control-plane" for the server's own version
  sequence?: number;
  keyId?: string; // of the key that signed the release
}

/** Releases answers GET /api/v1/releases/latest. */
export interface Releases {
  pipedaiWorker: Release;
  pipedaiOrchestrator: Release;
  pipeweave: Release;
  channel: string;
}

/**
 * ClaimRequest asks for work: POST /api/v1/workers/self/claim. The answer
 * waits up to WaitMs for something to claim.
 */
export interface ClaimRequest {
  serviceId: string;
  max: number;
  waitMs: number;
}

/** ClaimResponse answers it. Runs is empty, never null, when nothing came up. */
export interface ClaimResponse {
  runs: Dispatch[] | null;
  disabled: boolean;
}

/**
 * WorkerBeatRequest is POST /api/v1/workers/self/heartbeat: the worker is
 * alive, and these are the runs it has in hand.
 */
export interface WorkerBeatRequest {
  runs: HeartbeatRequest[] | null;
}

/**
 * WorkerBeatResponse answers it. Cancel lists the wire ids of runs the worker
 * should stop: cancelled, or no longer its own.
 */
export interface WorkerBeatResponse {
  cancel: string[] | null;
  disabled: boolean;
  rotate?: boolean;
}

/**
 * RotatedToken answers POST /api/v1/workers/self/rotate. The token that was
 * used goes on being good until the new one is used; from then on as long as
 * the longest run that the worker has in hand.
 */
export interface RotatedToken {
  workerToken: string;
}

/**
 * CallbacksRequest is POST /api/v1/workers/self/callbacks: the ends of several
 * attempts, each of which counts or does not on its own, as with POST
 * /api/callback/{runId}.
 */
export interface CallbacksRequest {
  callbacks: RunCallback[] | null;
}

/** RunCallback is the end of one attempt, under its wire run id. */
export interface RunCallback {
  runId: string;
  callback: CallbackRequest;
}

/** CallbacksResponse answers it, in the order of the request. */
export interface CallbacksResponse {
  results: CallbackResult[] | null;
}

/**
 * CallbackResult is the answer to one report: its HTTP status had it come
 * alone, and the answer, or the error and its code.
 */
export interface CallbackResult extends CallbackResponse {
  status: number;
  error?: string;
  code?: string;
}

/**
 * IdempotencyCheck is POST /api/idempotency/check: a worker that holds an
 * attempt asks whether its work was done before.
 */
export interface IdempotencyCheck {
  runId: string; // of the dispatch
  attempt?: number;
  key: string;
}

/**
 * IdempotencyAnswer answers it. After a hit the worker reports the cached
 * result instead of executing. While another attempt under way has the key,
 * inProgress is true and the worker asks again later. Otherwise the key is
 * the run's, and its result will be remembered.
 */
export interface IdempotencyAnswer {
  hit: boolean;
  inProgress?: boolean;
  outputPath?: string;
  outputSize?: number;
  outputSha256?: string;
  assets?: Record<string, Asset>;
  selectedNext?: string[]; // what followed it; all when absent
  of?: string; // the task run it is about
}

/**
 * LeaveRequest is POST /api/restart and POST /api/detach: the daemon ends and
 * leaves its workers running. After a restart a new daemon takes them up again;
 * after a detach nobody does until one is started.
 */
export interface LeaveRequest {
  reason?: string;
}

/**
 * Leaving answers both, before the daemon ends. PID and StartedAt name the
 * daemon that leaves: the next one has another start.
 */
export interface Leaving {
  pid: number;
  startedAt: Time;
  comesBack: boolean;
  by: string; // "systemd", "systemd-user", "launchd", "windows", "nssm"; empty: it starts itself anew
  workers: number; // how many run on; on Windows they are stopped first
}

/** FusedWorker is one worker of this host as three sources see it. */
export interface FusedWorker {
  id: string;
  label: string;
  mode: "workspace" | "pool";
  apiUrl: string;
  desiredState: "enabled" | "disabled";
  local: LocalStatus | null;
  remote: RemoteStatus | null;
  lastEvent: LastEvent | null;
  busy: boolean;
  currentRunId: string | null;
  workerVersion: string | null;
  latestWorkerVersion: string | null;
  versionStale: boolean;
  running: boolean; // local desired state: keep it running
  enabled: boolean; // remote desired state: give it work
  remoteFetchedAt: Time;
  remoteStale: boolean; // too old to be relied on, or never told
  remoteError?: string;
  pin?: string;
  previousPin: string | null;
  upgrade: WorkerUpgrade | null;
}

/** LocalStatus is what the supervisor knows. */
export interface LocalStatus {
  id: string;
  state: "stopped" | "starting" | "running" | "backing-off" | "crashed";
  pid: number | null;
  startedAt: number | null; // ms
  restarts: number;
  lastExit: LastExit | null;
  draining: boolean; // asked to stop, still working
  lastError?: string; // why it could not be started
  nextStartAt: number | null; // ms; while backing off
  totalRestarts: number; // never lowered
  reattached: boolean; // outlived an earlier daemon
  restartReason?: string; // what the restart policy said
  notLimited?: string; // which of its limits are not kept here, and why
  logBytes: number; // of captured output on disk
  logDropped: number; // lines that could not be written since the daemon began
  memoryBytes: number | null; // resident
  cpuSeconds: number | null;
}

/**
 * LastExit is how the last process ended. Both null: it could not be started,
 * or the kernel did not tell; How says which.
 */
export interface LastExit {
  code: number | null;
  signal: string | null;
  at: number; // ms
  how?: string;
}

/** RemoteStatus is what the control plane said last. */
export interface RemoteStatus {
  status: string;
  derivedStatus?: string;
  currentRunId: string | null;
  version: string | null;
  lastSeenAt: Time;
  disabled: boolean;
}

/** LastEvent is the newest lifecycle event. */
export interface LastEvent {
  type: string;
  at: string;
}

/** FusedWorkers answers GET /api/workers. */
export interface FusedWorkers {
  items: FusedWorker[] | null;
}

/** ActionResult answers the verbs. */
export interface ActionResult {
  id: string;
  action: string;
  ok: boolean;
  draining?: boolean;
  inFlight?: number;
  operation?: string;
}

/**
 * ReloadRequest is POST /api/reload: another program changed the manifest or
 * the configuration of workers. Restart names the workers whose configuration
 * is another one now. Both members were added.
 */
export interface ReloadRequest {
  restart?: string[];
}

/** Reloaded answers it. */
export interface Reloaded {
  workers: number;
}

/** LocalRun is one file of run events a worker left on this host. */
export interface LocalRun {
  runId: string;
  updatedAt: number; // ms
  bytes: number;
}

/** LocalRuns answers GET /api/workers/{id}/runs, newest first. */
export interface LocalRuns {
  items: LocalRun[] | null;
}

/** LocalRunEvent is one line of such a file. */
export interface LocalRunEvent {
  seq: number;
  type: string;
  ts: string;
  payload: Json;
}

/**
 * LocalRunEvents answers GET /api/workers/{id}/runs/{runId}/events, in the
 * order of the file.
 */
export interface LocalRunEvents {
  items: LocalRunEvent[] | null;
}

/**
 * LocalHealth answers GET /api/healthz of the daemon: it is alive, and Ready
 * says whether it serves workers already. PID tells it from the daemon of
 * another home that has taken over its port; it was added.
 */
export interface LocalHealth {
  status: "ok" | "starting";
  ready: boolean;
  pid: number;
}

/** SelfStatus answers GET /api/self. */
export interface SelfStatus {
  version: string;
  latest: string | null;
  stale: boolean;
  lastCheckedAt: Time;
  hostname: string;
  os: string;
  pid: number;
  startedAt: Time;
  build: string;
  home: string;
  state: "starting" | "needs_login" | "revoked" | "running" | "degraded" | "draining" | "upgrading";
  controlPlanes: RemoteState[] | null;
  health: HealthItem[] | null;
  host: HostFacts;
  pairing?: HostPairing;
  latestError?: string;
  channel: string;
  installed: SelfInstalled;
  upgrade?: Operation;
  failed: SelfFailure[] | null;
}

/** RemoteState is the link to one control plane. */
export interface RemoteState {
  apiUrl: string;
  reachable: boolean;
  lastOkAt: Time;
  error?: string;
  workspaceId?: string;
  pool?: boolean; // the shared pool instead of a workspace
  failingSince?: Time; // while it does not answer
  revokedAt?: Time; // it does not trust this host any more
  checkedInAt?: Time; // when this host told it last how it is
  clockSkewMs?: number; // how far this host's clock was ahead then
}

/** HealthItem is one thing that needs attention, with what helps. */
export interface HealthItem {
  code: string;
  severity: "warning" | "error";
  message: string;
  fix?: string;
  command?: string;
}

/**
 * LocalFrame is one WebSocket frame of GET /api/events. Kind says which of
 * the members are there. Every frame carries a sequence number; the first one
 * is a "status" frame with everything. A client that reconnects with
 * ?since=<seq> gets what it missed, or a fresh snapshot when that is no longer
 * held (Reset is then true).
 */
export interface LocalFrame {
  kind: "status" | "log" | "connectivity" | "operation" | "event";
  seq: number;
  reset?: boolean;
  items?: FusedWorker[]; // status; empty, not absent, without workers
  id?: string; // log
  ts?: number;
  stream?: "out" | "err";
  line?: string;
  pos?: number; // see LogLine; absent for a line that could not be written
  sample?: ConnectivitySample; // connectivity
  operation?: Operation; // operation: as it is now
  event?: HostEvent; // event
}

/** LogLine is one captured line of worker output. */
export interface LogLine {
  ts: number; // ms; 0 for a line that is not in the format of the log
  stream: "out" | "err";
  line: string;
  pos: number;
}

/** LogLines answers GET /api/workers/{id}/logs, oldest first. */
export interface LogLines {
  items: LogLine[] | null;
  older: number;
  newer: number;
  more: boolean;
  gap: boolean;
  partial: boolean;
  oldest: number;
  end: number;
  count?: number;
  countPartial?: boolean;
}

/**
 * Operation is a long action of a daemon. It has a journal on disk: a daemon
 * that is killed in the middle goes on, or takes back, when it starts again.
 */
export interface Operation {
  id: string;
  kind: string; // "enable", "disable", "delete", "build", ...
  workerId?: string; // once it is known
  askedBy?: string; // "cli", "dashboard" or what the program calls itself
  status: "running" | "succeeded" | "failed" | "cancelled";
  step: string; // begun last; one of Steps
  steps: string[] | null; // of its kind, in order
  undoing: boolean;
  progress: number; // percent
  message?: string;
  startedAt: Time;
  updatedAt: Time;
  endedAt: Time; // null while it runs
  error?: string; // why it failed, or what it is held up by
  fix?: string;
  cancellable: boolean;
  cancelAsked?: boolean;
  upgrade?: UpgradeInfo;
}

/** Operations answers GET /api/operations, newest first. */
export interface Operations {
  items: Operation[] | null;
}

/** HostEvent is something that happened on a host and is kept. */
export interface HostEvent {
  seq: number;
  at: Time;
  workerId?: string; // none: it is about the host
  type: string; // see the Host... constants
  data: Json; // an object; its members go with the type
}

/**
 * HostEvents answers GET /api/events when no WebSocket is asked for: what
 * happened after ?since=, oldest first. Next is what to give as since to go on.
 */
export interface HostEvents {
  items: HostEvent[] | null;
  next: number;
}

/**
 * Enrollment is one pairing or pre-issued code as an operator sees it. It
 * never holds a secret.
 */
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
  version?: string; // of pipedai-orchestrator
  osVersion?: string;
  arch?: string;
  createdAt: Time;
  expiresAt: Time;
  decidedAt: Time;
  decidedBy?: string;
  workerId?: string;
  workspaceId: string;
  environmentId?: string;
}

/** Enrollments answers GET /api/v1/enrollments. */
export interface Enrollments {
  items: Enrollment[] | null;
}

/**
 * ApproveRequest is the body, which may be left out, of POST
 * /api/v1/enrollments/{id}/approve.
 */
export interface ApproveRequest {
  workspaceId?: string; // where the host joins; the approver's own
  environmentId?: string; // of it; its first one
}

/** IssueCodeRequest is POST /api/v1/enrollments/codes. */
export interface IssueCodeRequest {
  label?: string;
  expiresInSec?: number; // 0: 24 hours
  workspaceId?: string; // where the host joins; the caller's own
  environmentId?: string; // of it; its first one
}

/** IssuedCode answers it; the code is shown this once. */
export interface IssuedCode extends Enrollment {
  code: string;
}

/** Session answers GET /api/v1/session: who the caller's token says it is. */
export interface Session {
  name: string;
  kind: string;
  role: string;
  workspaceId: string;
  address: string; // where the request came from, as the server sees it
  version: string; // of the server
  build: string; // changes with every build; pages reload on it
}

/**
 * HostPairing is a pairing of a host that waits for somebody's approval. The code
 * is no secret: it stands on a screen, and approving it takes an operator.
 */
export interface HostPairing {
  apiUrl: string;
  userCode: string;
  verificationUri: string;
  expiresAt: Time;
  qr?: string[];
}

/** PublishedRelease is a release as its server keeps it. */
export interface PublishedRelease {
  program: string;
  version: string;
  channel: string;
  sequence: number;
  state: string;
  keyId: string;
  notes?: string;
  createdAt: Time;
  expiresAt: Time;
  publishedAt: Time; // when its last byte was there; null: not yet
  publishedBy?: string;
  yankedAt: Time;
  yankedBy?: string;
  yankReason?: string;
  artifacts: PublishedArtifact[] | null;
  envelope?: Envelope; // what is signed; not in lists
}

/** PublishedArtifact is a file of a release and whether its server has it. */
export interface PublishedArtifact extends Artifact {
  stored: boolean;
}

/** PublishedReleases answers GET /api/v1/releases. */
export interface PublishedReleases {
  items: PublishedRelease[] | null;
}

/** StoredArtifact answers the upload of an artifact. */
export interface StoredArtifact {
  name: string;
  size: number;
  sha256: string;
  published: boolean; // it was the last one: hosts see the release now
}

/** YankRequest takes a version back: POST .../yank. */
export interface YankRequest {
  reason: string;
  channel?: string; // empty: every channel
}

/**
 * SetReleaseKeyRequest is one of two: the first key of an installation, or a
 * rotation that the current key signed.
 */
export interface SetReleaseKeyRequest {
  first?: string;
  rotation?: Envelope;
}

/** QueueTaskRequest is POST /api/queue/task. */
export interface QueueTaskRequest {
  taskId: string;
  input?: Json;
  priority?: number;
  metadata?: Json;
  idempotencyKey?: string;
  scheduledFor?: Time;
  validationMode?: "strict" | "warn" | "none";
  storageBackend?: string; // id; the default one if absent
}

/**
 * QueueBatchRequest is POST /api/queue/batch: all of the tasks or none, at most
 * MaxQueueBatch of them.
 */
export interface QueueBatchRequest {
  tasks: QueueTaskRequest[] | null;
}

/**
 * QueuedBatch answers it: Results in the order of the request, Queued counts
 * those that did not exist before.
 */
export interface QueuedBatch {
  queued: number;
  results: QueuedTask[] | null;
}

/** QueuedTask answers it. */
export interface QueuedTask {
  runId: string;
  status: string; // "queued", or "completed" on an idempotency hit
  taskId: string;
  inputPath: string;
  validationWarnings?: Record<string, FieldError[] | null>;
}

/** QueueStatus answers GET /api/queue/status. */
export interface QueueStatus {
  pending: number;
  running: number;
  waiting: number;
  completed: number;
  failed: number;
  dlq: number;
  oldestPending: Time;
}

/** Tick answers POST /api/tick. */
export interface Tick {
  status: string;
  processed: number;
  timestamp: Time;
}

/** QueueItem is one row of GET /api/queue/items. */
export interface QueueItem {
  runId: string;
  taskId: string;
  pipelineRunId?: string;
  priority: number;
  status: string;
  attempt: number;
  maxRetries: number;
  scheduledAt: Time;
  startedAt: Time;
  completedAt: Time;
  createdAt: Time;
  codeVersion: number; // of its task, when it was queued
  error?: string;
  errorCode?: string;
}

/** QueueItems answers GET /api/queue/items, by priority, then creation. */
export interface QueueItems {
  items: QueueItem[] | null;
  total: number;
  limit: number;
  offset: number;
}

/**
 * MintRequest asks for a registration token: POST
 * /api/v1/workspaces/{ws}/workers/registration-token.
 */
export interface MintRequest {
  label?: string;
}

/**
 * MintedToken answers it. The token is shown this once, admits one worker, and
 * lasts a quarter of an hour.
 */
export interface MintedToken {
  id: string;
  token: string; // wrk_...
  lastFour: string;
  expiresAt: Time;
}

/**
 * RegisterWorkerRequest is POST /api/v1/workers/register: a worker program
 * trades a registration token for a worker and its token, once. A hostname that
 * is known in the workspace is the same worker, with a new token.
 */
export interface RegisterWorkerRequest {
  token: string;
  hostname: string;
  os: string;
  version: string;
  label?: string;
}

/** RegisteredWorker answers it. */
export interface RegisteredWorker {
  workerId: string;
  workerToken: string; // wkt_...
  apiUrl: string;
  workspaceId: string;
}

/**
 * Envelope carries a signed payload in the manner of DSSE
 * (https://github.com/secure-systems-lab/dsse): each signature is over the type
 * and the payload together.
 */
export interface Envelope {
  payloadType: string;
  payload: string | null; // base64 on the wire
  signatures: Signature[] | null;
}

/** Signature is one of an envelope. */
export interface Signature {
  keyid: string;
  sig: string | null; // Ed25519, base64 on the wire
}

/** ReleaseManifest is the payload of a release's envelope. */
export interface ReleaseManifest {
  program: string; // "pipedai-worker", ...
  version: string;
  channel: string; // "stable", ...
  sequence: number; // grows with every release of the program on the channel
  createdAt: Time;
  expiresAt: Time; // from then on nobody installs it any more
  notes?: string;
  artifacts: Artifact[] | null;
}

/**
 * Artifact is the file of a release for one operating system and processor,
 * as Go names them.
 */
export interface Artifact {
  os: string;
  arch: string;
  name: string; // of the file; no folders
  size: number; // bytes
  sha256: string;
  format: string; // "tar.gz", "zip" or "binary"
}

/**
 * KeyRotation is the payload that puts a new release key in the place of
 * another; both sign it.
 */
export interface KeyRotation {
  from: string; // public key in text form
  to: string;
  createdAt: Time;
}

/**
 * ReleaseKeys is the history of an installation's release key: the first one,
 * and each rotation since, oldest first. Whoever knows any of the keys can walk
 * to the one that signs today.
 */
export interface ReleaseKeys {
  first?: string; // empty: releases are not set up
  rotations: Envelope[] | null;
}

/**
 * StartRolloutRequest is the body of POST /api/v1/rollouts and of
 * POST /api/v1/rollouts/plan, which only says what would happen.
 */
export interface StartRolloutRequest extends RolloutLimits {
  program?: "pipedai-worker" | "pipedai-orchestrator"; // "pipedai-worker" when empty
  version: string;
  channel?: string; // empty: any that the version is published on, "stable" first
  hosts?: string[];
  label?: string;
  forceAfterSec?: number; // how long a run in hand may take before its worker is stopped; 0: it is waited for
  note?: string;
}

/** RolloutLimits bound what a rollout does at once and what it may break. */
export interface RolloutLimits {
  canary?: number;
  maxUnavailable?: number;
  maxFailures?: number;
  hostDeadlineSec?: number;
}

/** RolloutPlan is what a rollout would be about. */
export interface RolloutPlan {
  program: string;
  version: string;
  channel: string;
  targets: RolloutTarget[] | null; // in the order of their turns
  leftOut: RolloutLeftOut[] | null;
  release?: PlannedRelease;
}

/**
 * PlannedRelease says who answers for the version of a plan, and what is new
 * in it.
 */
export interface PlannedRelease {
  keyId: string; // of the key that signed it
  notes?: string;
  publishedAt: Time;
  publishedBy?: string;
  expiresAt: Time;
}

/** RolloutLeftOut is a host that a rollout is not about. */
export interface RolloutLeftOut {
  hostId: string;
  host: string;
  why: string;
}

/** Rollout is one version on its way to some hosts. */
export interface Rollout {
  id: string;
  program: string;
  version: string;
  channel: string;
  kind: string;
  rollbackOf?: string;
  status: string;
  reason?: string; // why it paused or how it ended
  canary: number;
  maxUnavailable: number;
  maxFailures: number;
  hostDeadlineSec: number;
  forceAfterSec: number;
  counts: RolloutCounts;
  note?: string;
  createdBy?: string;
  createdAt: Time;
  updatedAt: Time;
  endedAt: Time; // null while it has not ended
}

/** RolloutCounts sums the targets of a rollout up. */
export interface RolloutCounts {
  total: number;
  waiting: number; // have no order yet
  offline: number; // of those: are not heard of
  out: number; // have an order that holds a place
  succeeded: number;
  failed: number; // overdue ones included
  refused: number;
  withdrawn: number;
  skipped: number; // their hosts were revoked
}

/** Rollouts answers GET /api/v1/rollouts, newest first. */
export interface Rollouts {
  items: Rollout[] | null;
}

/** RolloutDetail answers GET /api/v1/rollouts/{id} and what is done with one. */
export interface RolloutDetail extends Rollout {
  targets: RolloutTarget[] | null; // in the order of their turns
  leftOut: RolloutLeftOut[] | null; // only in the answer to a start
}

/** RolloutTarget is one host of a rollout. */
export interface RolloutTarget {
  hostId: string;
  host: string;
  version: string; // it is brought to
  from: string[] | null;
  state: string;
  canary?: boolean;
  forgiven?: boolean; // failed, and somebody went on all the same
  online: boolean;
  size?: number;
  lastSeenAt: Time;
  orderId?: string;
  attempts: number;
  orderedAt: Time;
  deadline: Time;
  endedAt: Time;
  error?: string;
  step?: string;
  progress: number; // percent
  message?: string;
  workers: OrderWorker[] | null;
  reportedAt: Time;
}

/**
 * SteerRolloutRequest is the body, which may be left out, of the routes that
 * pause, resume and abort a rollout.
 */
export interface SteerRolloutRequest {
  note?: string;
  retry?: boolean;
}

/**
 * RollbackRequest is the body, which may be left out, of POST
 * /api/v1/rollouts/{id}/rollback and of .../rollback/plan. A rollout that goes
 * on is aborted first.
 */
export interface RollbackRequest extends RolloutLimits {
  note?: string;
}

/**
 * RunCounts answers GET /api/run-counts: how the runs stand that were created
 * in the last hours. A run counts where it was created, not where it ended.
 */
export interface RunCounts {
  from: Time;
  to: Time; // the end of the step that is under way
  stepMs: number;
  since: Time;
  runs: number; // how many were counted
  steps: RunTally[] | null; // every step from From to To, the empty ones too
  pipelines: PipelineTally[] | null; // those with runs, the most failed first
}

/** RunTally is a number of runs by how they are now. */
export interface RunTally {
  completed: number;
  failed: number;
  partial: number;
  cancelled: number;
  active: number; // pending or running
}

/** PipelineTally counts the runs of one pipeline. */
export interface PipelineTally {
  pipelineId: string;
  runs: RunTally;
  lastFailed?: FailedRun; // the newest that failed
}

/** FailedRun is a run that failed, and why. */
export interface FailedRun {
  id: string;
  error: string; // its first 500 characters
  createdAt: Time;
}

/**
 * RunEventLine is one line of the body of POST
 * /api/v1/workers/self/run-events, which is NDJSON: something that happened in
 * a run, under its wire id. Seq ascends from 1 within the attempt; one that is
 * known is not kept again.
 */
export interface RunEventLine {
  runId: string;
  token?: string;
  seq: number;
  type: string;
  ts: Time;
  payload: Json;
}

/** RunEventsAnswer answers it. */
export interface RunEventsAnswer {
  accepted: number; // are kept now and were not before
  known: number; // were kept before
  dropped: number; // are beyond the bounds
  refused: RefusedRun[] | null;
}

/**
 * RefusedRun says why the lines of a run were not taken: 403 when the token is
 * not the run's, 409 when it is that of an earlier attempt.
 */
export interface RefusedRun {
  runId: string;
  status: number;
  code: string;
  error: string;
}

/** TaskRunEvent is one event that a worker reported. */
export interface TaskRunEvent {
  id: number; // ascends in the order of arrival
  attempt: number;
  seq: number; // ascends within the attempt
  type: string;
  ts: Time;
  payload: Json;
}

/** TaskRunEvents answers GET /api/task-runs/{id}/events, oldest first. */
export interface TaskRunEvents {
  items: TaskRunEvent[] | null;
  next: number;
}

/**
 * UpgradeSelfRequest is POST /api/upgrade-self. Exactly one of Version, FromLocal
 * and Rollback says what the daemon is to become; the other members were added to
 * the contract.
 */
export interface UpgradeSelfRequest {
  version?: string;
  fromLocal?: string;
  rollback?: boolean;
  apiUrl?: string;
  channel?: string;
  timeoutMs?: number;
  force?: boolean;
  allowDowngrade?: boolean;
  dryRun?: boolean;
}

/**
 * UpgradeSelfResult answers it: the version is here, and the daemon is about to
 * become it.
 */
export interface UpgradeSelfResult {
  ok: boolean;
  action: string; // "upgrade-self"
  durationMs: number;
  unchanged?: boolean;
  operation?: Operation; // that goes on; follow it
  upgrade?: UpgradeInfo;
}

/**
 * SelfInstalled is the program that the service manager starts, and why another
 * version runs in its place.
 */
export interface SelfInstalled {
  program: string;
  version: string;
  pinned?: string;
  confirmedAt?: Time;
  previous?: string; // that is returned to when the pinned one fails
}

/**
 * SelfFailure is a version of the daemon that did not do on this host. It is not
 * tried again unless a person says so.
 */
export interface SelfFailure {
  version: string;
  reason: string;
  at: Time;
}

/**
 * ServiceInstance is one that serves a service: a worker that pulls its work,
 * or the address that the work is pushed to.
 */
export interface ServiceInstance {
  name: string; // what people call the worker, or the address
  workerId?: string; // none of an address
  host?: string; // the name of the host that keeps the worker
  workspaceId?: string;
  version?: string;
  status: "busy" | "online" | "offline" | "disabled";
  lastSeenAt: Time;
  since: Time; // it serves this service
  currentTaskId?: string;
  currentRunId?: string; // of the pipeline; empty: of none
}

/** StorageContent answers GET /api/storage/{path} for a JSON object. */
export interface StorageContent {
  path: string;
  content: Json;
}

/** StorageBackend is a configured place for objects, without its credentials. */
export interface StorageBackend {
  id: string;
  provider: string;
  endpoint: string;
  bucket: string;
  region?: string;
  isDefault: boolean;
}

/**
 * StorageBackends answers GET /api/storage/backends, in the order of the
 * configuration.
 */
export interface StorageBackends {
  backends: StorageBackend[] | null;
  default: string;
}

/** StorageObject is one object of a listing. */
export interface StorageObject {
  path: string;
  size: number;
  contentType?: string;
  sha256?: string;
  modified: Time;
}

/**
 * StorageList answers GET /api/storage?prefix=: objects by path, at most limit.
 * More follow when next is there: ask again with after=next.
 */
export interface StorageList {
  backend: string;
  prefix: string;
  objects: StorageObject[] | null;
  folders?: string[]; // with folders=1: what else begins under the prefix, each ends in a slash
  next?: string;
}

/** TaskLogLine is one line of the log that a task run left in storage. */
export interface TaskLogLine {
  pos: number; // bytes of the log before it; what after= and before= take
  at: Time; // null where the line does not say
  level: string;
  text: string;
}

/** TaskLog answers GET /api/task-runs/{id}/logs, oldest first. */
export interface TaskLog {
  items: TaskLogLine[] | null;
  older: number;
  newer: number;
  more: boolean;
  partial: boolean;
  end: number; // the length of the log in bytes; 0: the run has none yet
  count?: number;
  countPartial?: boolean;
}

/**
 * Token is a credential that operators were given, or one that admits a worker
 * or a host, as others may see it: never the token.
 */
export interface Token {
  id: string;
  kind: string; // its prefix: "pwk", "pop", "pool", "wrk" or "enr"
  name: string; // or the label of what it admits
  role?: string; // of a pwk token: "viewer", "operator" or "admin"
  lastFour: string; // of the token, to tell it by; empty where nobody kept it
  workspaceId?: string; // empty: the pool's
  createdBy?: string;
  used?: boolean; // it works once, and has
  createdAt: Time;
  expiresAt: Time; // null: never
  revokedAt: Time; // null: it is valid, or expired
  lastUsedAt: Time; // null: never
}

/** Tokens answers GET /api/v1/tokens, newest first. */
export interface Tokens {
  items: Token[] | null;
}

/** CreateTokenRequest is POST /api/v1/tokens. */
export interface CreateTokenRequest {
  name: string;
  kind?: "pwk" | "pop" | "pool" | "wrk" | "enr"; // "pwk"
  role?: "viewer" | "operator" | "admin"; // of a pwk token, which needs one
  workspaceId?: string; // the caller's own
  environmentId?: string; // of an enr token: where its host goes
  expiresInSec?: number; // 0: never; what admits lasts an hour (pool), a quarter of one (wrk), a day (enr)
}

/** CreatedToken answers it; the token is shown this once. */
export interface CreatedToken extends Token {
  token: string;
  workerPath?: string;
}

/**
 * UpgradeRequest is POST /api/workers/{id}/upgrade. Exactly one of Version,
 * FromLocal and Rollback says what the worker is to run; the other members were
 * added to the contract.
 */
export interface UpgradeRequest extends UpgradeOptions {
  version?: string;
  fromLocal?: string;
  rollback?: boolean;
}

/**
 * UpgradeOptions say how an upgrade is carried out; zero values are the
 * daemon's defaults.
 */
export interface UpgradeOptions {
  channel?: string;
  npm?: boolean;
  timeoutMs?: number;
  drainTimeoutMs?: number;
  force?: boolean;
  allowDowngrade?: boolean;
  dryRun?: boolean;
}

/**
 * UpgradeAllRequest is POST /api/workers/upgrade. Without Version and FromLocal
 * every worker gets the newest version of the channel of its own control plane.
 */
export interface UpgradeAllRequest extends UpgradeOptions {
  version?: string;
  fromLocal?: string;
  workers?: string[];
}

/** UpgradeResult answers both. While Operation is there the upgrade goes on. */
export interface UpgradeResult {
  id?: string; // of the worker; empty for all
  action: string; // "upgrade"
  ok: boolean;
  target: string; // "@pipedai/worker@<version>" or "tarball:<path>"
  durationMs: number;
  oldVersion: string | null;
  unchanged?: boolean;
  upgrade?: UpgradeInfo;
  operation?: Operation;
}

/**
 * UpgradeInfo is what is known of an upgrade; an operation of kind "upgrade" or
 * "upgrade-all" carries it.
 */
export interface UpgradeInfo {
  from?: string; // version before, as far as is known
  to?: string; // version that is asked for
  fromPin?: string; // empty: the default program of the host
  toPin?: string;
  source?: string;
  signedBy?: string;
  channel?: string;
  notes?: string;
  size?: number; // bytes to fetch
  installed?: boolean; // lies on this host already
  unchanged?: boolean;
  failure?: string;
  lastLines?: string[];
  warning?: string;
  items?: UpgradeItem[];
}

/** UpgradeItem is one worker of "upgrade-all". */
export interface UpgradeItem {
  workerId: string;
  label: string;
  status: string;
  canary?: boolean; // it goes first, and nothing else when it fails
  from?: string;
  to?: string;
  operation?: string;
  error?: string;
  failure?: string;
}

/** WorkerUpgrade is the upgrade that is under way for a worker. */
export interface WorkerUpgrade {
  operation: string;
  step: string;
  undoing: boolean;
  progress: number;
  message?: string;
  to?: string;
}

/** TempUpload is one member of Dispatch.TempUploads: a file that the input names. */
export interface TempUpload {
  path: string;
  size: number;
  mimeType: string;
  filename: string;
}

/** Uploaded answers POST /api/upload/temp. */
export interface Uploaded {
  uploadId: string;
  storagePath: string;
  filename: string;
  size: number;
  mimeType: string;
  expiresAt: Time;
}

/** UploadInfo answers GET /api/upload/temp/{id}. */
export interface UploadInfo {
  uploadId: string;
  storagePath: string;
  storageBackendId: string;
  uploadedAt: Time;
  expiresAt: Time;
  claimedByRunId: string | null;
  deletedAt: Time;
  filename: string;
  mimeType: string;
  size: number;
  expired: boolean;
  claimed: boolean;
  deleted: boolean;
}

/** UploadDeleted answers DELETE /api/upload/temp/{id}. */
export interface UploadDeleted {
  success: boolean;
  uploadId: string;
}

/**
 * UploadStats answers GET /api/upload/stats. Expired are past their time and
 * not deleted.
 */
export interface UploadStats {
  total: number;
  expired: number;
  claimed: number;
  deleted: number;
}

/**
 * HostFacts is how much the machine of a daemon has, and has left. What the
 * system does not tell is 0.
 */
export interface HostFacts {
  cpus: number;
  load1: number | null; // average of the last minute; null: not told
  memoryBytes: number;
  memoryFreeBytes: number;
  diskBytes: number; // of the disk with the host's folder
  diskFreeBytes: number;
}

/** UsageHistory answers GET /api/usage: what workers took lately. */
export interface UsageHistory {
  everyMs: number;
  items: WorkerUsage[] | null; // by worker
}

/**
 * WorkerUsage is what one worker took, oldest first. There is no sample of the
 * times at which it had no process.
 */
export interface WorkerUsage {
  workerId: string;
  samples: UsageSample[] | null;
}

/** UsageSample is what the processes of a worker took at one moment, together. */
export interface UsageSample {
  ts: number; // ms
  pid: number; // of its leader; another one counts its time anew
  memoryBytes: number;
  cpuSeconds: number; // since that process began
}

/** InstalledVersion is a version of a program that lies on a host. */
export interface InstalledVersion {
  program: string;
  version: string;
  kind: "archive" | "npm" | "local";
  path: string;
  reports: string; // what the program says it is
  sha256: string;
  size: number;
  source: string;
  channel?: string;
  sequence?: number;
  installedAt: Time;
  usedAt: Time;
  usedBy: string[] | null; // ids of the workers that are to run it
}

/**
 * FailedVersion is a version that did not work on a host and is not tried
 * again unless somebody says so.
 */
export interface FailedVersion {
  workerId?: string; // none: the host's own program
  program: string;
  version: string;
  reason: string;
  failedAt: Time;
}

/** InstalledVersions is what "pipedai-orchestrator versions --json" prints. */
export interface InstalledVersions {
  items: InstalledVersion[] | null;
  failed: FailedVersion[] | null;
}

/**
 * TrustedKey is a key that a host believes, or believed, about the releases of a
 * control plane.
 */
export interface TrustedKey {
  apiUrl: string;
  keyId: string;
  publicKey: string;
  how: "enrolled" | "first-use" | "rotated" | "person";
  pinnedAt: Time;
  retiredAt: Time; // null: it is believed
}

/** SeenRelease is the newest release of a program that a host has believed. */
export interface SeenRelease {
  apiUrl: string;
  program: string;
  channel: string;
  sequence: number;
  version: string;
  seenAt: Time;
}

/** TrustedKeys is what "pipedai-orchestrator keys --json" prints. */
export interface TrustedKeys {
  items: TrustedKey[] | null;
  seen: SeenRelease[] | null;
}

/**
 * WorkerDetail answers GET /api/workers/{id}: the worker with what it is given
 * and how its last processes ended.
 */
export interface WorkerDetail {
  worker: FusedWorker;
  settings: WorkerSettings;
  exits: WorkerExit[] | null; // newest first, at most 20
}

/**
 * WorkerSettings is what one worker is given instead of the daemon's defaults,
 * with the defaults filled in. It takes effect when its process starts.
 */
export interface WorkerSettings {
  dir: string;
  env: WorkerEnv[] | null; // names only: values are never told
  authMode: string;
  stopGraceMs: number;
  restart: WorkerRestarts;
  limits: WorkerLimits;
}

/** WorkerEnv is one variable of a worker's environment. */
export interface WorkerEnv {
  name: string;
  secret: boolean; // its value is kept in a file of the owner's, not in the manifest
}

/** WorkerRestarts is when a worker that ended by itself is started again. */
export interface WorkerRestarts {
  backoffMs: number[] | null; // before the 1st, 2nd, ... restart in a row; the last repeats
  stableMs: number; // a run of this length forgets the restarts before it
  budget: number; // restarts in a row before it is left crashed; negative: for ever
  finalCodes: number[] | null; // exit codes after which it is not started again
}

/**
 * WorkerLimits is what a worker with everything it starts may use; 0 is no
 * limit.
 */
export interface WorkerLimits {
  memoryBytes: number;
  cpu: number; // whole processors
  pids: number;
  nofile: number; // open files, of each process
}

/** WorkerExit is how one process of a worker ended. */
export interface WorkerExit {
  generation: number;
  how: "exited" | "killed" | "unknown" | "not-started";
  code: number | null;
  signal: string | null;
  detail?: string;
  startedAt: number; // ms
  endedAt: number; // ms
}

/**
 * WorkerSettingsChange is PATCH /api/workers/{id}. Members that are left out
 * stay as they are; what is named replaces what was, and 0, "" and [] bring the
 * default back. Members it does not know are refused.
 */
export interface WorkerSettingsChange {
  dir?: string;
  env?: Record<string, string | null>; // null takes a variable out
  secretEnv?: Record<string, string | null>; // kept apart, in a 0600 file
  authMode?: string; // "claude-max", "api-key" or ""
  stopGraceMs?: number;
  restart?: WorkerRestartsChange;
  limits?: WorkerLimitsChange;
}

/** WorkerRestartsChange changes WorkerRestarts. */
export interface WorkerRestartsChange {
  backoffMs?: number[];
  stableMs?: number;
  budget?: number;
  finalCodes?: number[];
}

/** WorkerLimitsChange changes WorkerLimits. */
export interface WorkerLimitsChange {
  memoryBytes?: number;
  cpu?: number;
  pids?: number;
  nofile?: number;
}

/**
 * Workspace groups hosts and their operators. The engine has one queue for all
 * of them.
 */
export interface Workspace {
  id: string;
  name: string;
  authMode: string; // how its workers pay for models: "api_key" or "claude_max"
  environmentId: string; // where hosts go that are not told another one
  default: boolean; // its admins manage all workspaces
  createdAt: Time;
}

/** Workspaces answers GET /api/v1/workspaces, by name. */
export interface Workspaces {
  items: Workspace[] | null;
}

/** CreateWorkspaceRequest is POST /api/v1/workspaces. */
export interface CreateWorkspaceRequest {
  name: string;
  authMode?: "api_key" | "claude_max"; // "api_key"
}

/**
 * ChangeWorkspaceRequest is PATCH /api/v1/workspaces/{ws}. What is absent stays
 * as it was.
 */
export interface ChangeWorkspaceRequest {
  name?: string;
  authMode?: "api_key" | "claude_max";
}

/** Environment is a part of a workspace, such as staging. */
export interface Environment {
  id: string;
  workspaceId: string;
  name: string;
  createdAt: Time;
}

/** Environments answers GET /api/v1/workspaces/{ws}/environments, oldest first. */
export interface Environments {
  items: Environment[] | null;
}

/** CreateEnvironmentRequest is POST /api/v1/workspaces/{ws}/environments. */
export interface CreateEnvironmentRequest {
  name: string;
}

/**
 * PoolWorkers answers GET /api/v1/pool-workers, where a row has only what tells
 * its state, and GET /api/v1/admin/pool-workers.
 */
export interface PoolWorkers {
  items: RemoteWorker[] | null;
}
