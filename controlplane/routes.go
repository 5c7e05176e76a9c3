package controlplane

import "net/http"

// route is one line of the table below.
type route struct {
	pattern string
	access  access
	handler http.Handler
}

// routes is every route of the server, with who may use it, the action that
// using it is in the audit log, and the name its unexpected failures go by. GET also answers HEAD. Whatever is not here is a
// page of the console or not found. What a route does, and how it can refuse,
// stands in reference.go and referencehosts.go; a server without a description
// of every route does not start.
func (s *Server) routes() []route { //nolint:funlen // a table, on one screen
	return []route{
		// Engine: state
		{"GET /health", anyone, http.HandlerFunc(s.health)},
		{"GET /api/info", view, handle(s, "Failed to get info", s.info)},
		{"GET /api/stream", view, http.HandlerFunc(s.stream)},
		{"GET /metrics", view, http.HandlerFunc(s.exposition)},
		{"GET /api/openapi.json", view, http.HandlerFunc(s.openapi)},

		// Engine: maintenance
		{"GET /api/maintenance", view, handle(s, "Failed to get maintenance status", s.maintenance)},
		{"POST /api/maintenance/request", operate.as("maintenance.request"), handle(s, "Failed to request maintenance", s.requestMaintenance)},
		{"POST /api/maintenance/enter", operate.as("maintenance.enter"), handle(s, "Failed to enter maintenance", s.enterMaintenance)},
		{"POST /api/maintenance/exit", operate.as("maintenance.exit"), handle(s, "Failed to exit maintenance", s.exitMaintenance)},

		// Engine: services and tasks
		{"POST /api/register", report.as("service.register"), handle(s, "Registration failed", s.register)},
		{"GET /api/services", view, handle(s, "Failed to list services", s.services)},
		{"GET /api/services/{id}", view, handle(s, "Failed to get service", s.service)},
		{"GET /api/services/{id}/tasks", view, handle(s, "Failed to list tasks", s.serviceTasks)},
		{"GET /api/tasks/{id}/history", view, handle(s, "Failed to get task history", s.taskHistory)},
		{"GET /api/tasks/{id}/input-schema", view, handle(s, "Failed to get input schema", s.inputSchema)},
		{"POST /api/tasks/{id}/validate-input", view.unrecorded(changesNothing), handle(s, "Failed to validate input", s.validateInput)},

		// Engine: pipelines and runs
		{"GET /api/pipelines", view, handle(s, "Failed to list pipelines", s.pipelines)},
		{"GET /api/recent-runs", view, handle(s, "Failed to list recent runs", s.recentRuns)},
		{"GET /api/run-counts", view, handle(s, "Failed to count runs", s.runCounts)},
		{"GET /api/pipelines/{id}", view, handle(s, "Failed to get pipeline", s.pipeline)},
		{"PUT /api/pipelines/{id}", operate.as("pipeline.put"), handle(s, "Failed to store pipeline", s.putPipeline)},
		{"DELETE /api/pipelines/{id}", operate.as("pipeline.delete"), handle(s, "Failed to delete pipeline", s.deletePipeline)},
		{"POST /api/pipelines/{id}/trigger", operate.asRefused("pipeline.trigger"), handle(s, "Failed to trigger pipeline", s.trigger)},
		{"POST /api/pipelines/{id}/dry-run", view.unrecorded(changesNothing), handle(s, "Failed to validate pipeline", s.dryRun)},
		{"GET /api/runs", view, handle(s, "Failed to list runs", s.runs)},
		{"GET /api/runs/{id}", view, handle(s, "Failed to get run", s.run)},
		{"GET /api/runs/{id}/changes", view, handle(s, "Failed to get the changes of the run", s.runChanges)},
		{"POST /api/runs/{id}/cancel", operate.as("run.cancel"), handle(s, "Failed to cancel run", s.cancelRun)},
		{"GET /api/runs/{id}/replay", view, handle(s, "Failed to plan the replay", s.replayPlan)},
		{"POST /api/runs/{id}/replay", operate.as("run.replay"), handle(s, "Failed to replay run", s.replay)},
		{"GET /api/task-runs/{id}", view, handle(s, "Failed to get task run", s.taskRun)},
		{"GET /api/task-runs/{id}/logs", view, handle(s, "Failed to read the log", s.taskLog)},
		{"GET /api/task-runs/{id}/logs/download", view, http.HandlerFunc(s.downloadTaskLog)},
		{"GET /api/task-runs/{id}/events", view, handle(s, "Failed to get run events", s.taskRunEvents)},
		{"POST /api/task-runs/{id}/cancel", operate.as("task-run.cancel"), handle(s, "Failed to cancel task run", s.cancelTaskRun)},

		// Engine: dead letters
		{"GET /api/dlq", view, handle(s, "Failed to list DLQ items", s.deadLetters)},
		{"GET /api/dlq/groups", view, handle(s, "Failed to group DLQ items", s.letterGroups)},
		{"GET /api/dlq/ids", view, handle(s, "Failed to list DLQ items", s.letterIDs)},
		{"GET /api/dlq/{id}", view, handle(s, "Failed to get DLQ item", s.deadLetter)},
		{"POST /api/dlq/{id}/retry", operate.as("dlq.retry"), handle(s, "Failed to retry DLQ item", s.retryDeadLetter)},
		{"POST /api/dlq/retry-all", operate.as("dlq.retry-all"), handle(s, "Failed to retry DLQ items", s.retryDeadLetters)},
		{"POST /api/dlq/purge", operate.as("dlq.purge"), handle(s, "Failed to purge DLQ", s.purgeDeadLetters)},

		// Engine: queue
		{"POST /api/queue/task", operate.asRefused("queue.push"), handle(s, "Failed to queue task", s.queueTask)},
		{"POST /api/queue/batch", operate.asRefused("queue.push"), handle(s, "Failed to queue batch", s.queueBatch)},
		{"GET /api/queue/status", view, handle(s, "Failed to get queue status", s.queueStatus)},
		{"GET /api/queue/items", view, handle(s, "Failed to list queue items", s.queueItems)},
		{"POST /api/tick", tick.unrecorded(clockwork), handle(s, "Failed to process tick", s.tick)},
		{"POST /api/process", tick.unrecorded(clockwork), handle(s, "Failed to process tick", s.tick)},

		// Engine: what workers report
		{"POST /api/heartbeat", report.unrecorded(workerTraffic), handle(s, "Failed to process heartbeat", s.heartbeat)},
		{"POST /api/progress", report.unrecorded(workerTraffic), handle(s, "Failed to update progress", s.heartbeat)},
		{"POST /api/idempotency/check", report.unrecorded(workerTraffic), handle(s, "Failed to check idempotency key", s.checkIdempotency)},
		{"POST /api/callback/{id}", report.unrecorded(workerTraffic), handle(s, "Failed to process callback", s.callback)},

		// Engine: storage
		{"GET /api/storage/backends", view, handle(s, "Failed to list storage backends", s.storageBackends)},
		{"GET /api/storage", view, http.HandlerFunc(s.storageObject)},
		{"GET /api/storage/{path...}", view, http.HandlerFunc(s.storageObject)},

		// Engine: files for tasks
		{"POST /api/upload/temp", operate.asRefused("upload.store"), http.HandlerFunc(s.uploadTemp)},
		{"GET /api/upload/temp/{id}", view, handle(s, "Failed to get upload info", s.uploadInfo)},
		{"DELETE /api/upload/temp/{id}", operate.as("upload.delete"), handle(s, "Failed to delete upload", s.deleteUpload)},
		{"GET /api/upload/stats", view, handle(s, "Failed to get upload stats", s.uploadStats)},

		// Hosts: joining
		{"POST /api/v1/enrollments/device", anyone.as("enrollment.ask"), handle(s, "Failed to start pairing", s.deviceStart)},
		{"POST /api/v1/enrollments/redeem", anyone.as("enrollment.redeem"), handle(s, "Failed to redeem", s.redeem)},
		{"GET /api/v1/enrollments", pairingView, handle(s, "Failed to list enrollments", s.enrollments)},
		{"GET /api/v1/enrollments/lookup", pairingView, handle(s, "Failed to look up the code", s.lookupEnrollment)},
		{"POST /api/v1/enrollments/codes", pairing.as("enrollment.issue"), handle(s, "Failed to issue a code", s.issueCode)},
		{"POST /api/v1/enrollments/{id}/approve", pairing.as("enrollment.approve"), handle(s, "Failed to approve", s.approve)},
		{"POST /api/v1/enrollments/{id}/deny", pairing.as("enrollment.deny"), handle(s, "Failed to deny", s.deny)},
		{"POST /api/v1/enrollments/{id}/revoke", pairing.as("enrollment.revoke"), handle(s, "Failed to revoke", s.revokeEnrollment)},

		// Hosts: the machines
		{"POST /api/v1/hosts/self/checkin", hostSelf.asRefused("host.checkin"), handle(s, "Failed to check in", s.checkIn)},
		{"GET /api/v1/hosts", fleetView, handle(s, "Failed to list hosts", s.hosts)},
		{"GET /api/v1/hosts/{id}", fleetView, handle(s, "Failed to get host", s.host)},
		{"POST /api/v1/hosts/{id}/note", fleetSwitch.as("host.note"), handle(s, "Failed to note", s.noteHost)},
		{"POST /api/v1/hosts/{id}/pause", fleetSwitch.as("host.pause"), handle(s, "Failed to pause host", s.pauseHost)},
		{"POST /api/v1/hosts/{id}/resume", fleetSwitch.as("host.resume"), handle(s, "Failed to resume host", s.resumeHost)},
		{"POST /api/v1/hosts/{id}/revoke", fleetRevoke.as("host.revoke"), handle(s, "Failed to revoke host", s.revokeHost)},

		// Hosts: rollouts
		{"GET /api/v1/rollouts", fleetView, handle(s, "Failed to list rollouts", s.rollouts)},
		{"POST /api/v1/rollouts", fleetSwitch.as("rollout.start"), handle(s, "Failed to start the rollout", s.startRollout)},
		{"POST /api/v1/rollouts/plan", fleetView.unrecorded(changesNothing), handle(s, "Failed to plan the rollout", s.planRollout)},
		{"GET /api/v1/rollouts/{id}", fleetView, handle(s, "Failed to get rollout", s.rollout)},
		{"POST /api/v1/rollouts/{id}/pause", fleetSwitch.as("rollout.pause"), handle(s, "Failed to pause rollout", s.pauseRollout)},
		{"POST /api/v1/rollouts/{id}/resume", fleetSwitch.as("rollout.resume"), handle(s, "Failed to resume rollout", s.resumeRollout)},
		{"POST /api/v1/rollouts/{id}/abort", fleetSwitch.as("rollout.abort"), handle(s, "Failed to abort rollout", s.abortRollout)},
		{"POST /api/v1/rollouts/{id}/rollback", fleetSwitch.as("rollout.rollback"), handle(s, "Failed to roll back", s.rollBack)},
		{"POST /api/v1/rollouts/{id}/rollback/plan", fleetView.unrecorded(changesNothing), handle(s, "Failed to plan the rollback", s.rollBackPlan)},

		// Hosts: their workers
		{"GET /api/v1/workspaces/{ws}/workers", hostsView, handle(s, "Failed to list workers", s.workers)},
		{"POST /api/v1/workspaces/{ws}/workers/{id}/disable", hostsSwitch.as("worker.disable"), handle(s, "Failed to disable worker", s.disableWorker)},
		{"POST /api/v1/workspaces/{ws}/workers/{id}/enable", hostsSwitch.as("worker.enable"), handle(s, "Failed to enable worker", s.enableWorker)},
		{"POST /api/v1/workspaces/{ws}/workers/{id}/rotate-token", hostsSwitch.as("worker.rotate-token"), handle(s, "Failed to ask for a new token", s.askRotation)},
		{"DELETE /api/v1/workspaces/{ws}/workers/{id}", hostsDelete.as("worker.delete"), handle(s, "Failed to delete worker", s.deleteWorker)},
		{"POST /api/v1/workspaces/{ws}/workers/registration-token", hostsMint.as("token.create"), handle(s, "Failed to mint the token", s.mintRegistration)},
		{"POST /api/v1/workers/register", anyone.as("worker.register"), handle(s, "Failed to register", s.registerWorker)},
		{"GET /api/v1/workers/{id}/events", hostsView, handle(s, "Failed to list events", s.workerEventList)},
		{"GET /api/v1/workers/{id}/events/stream", hostsView, http.HandlerFunc(s.workerEvents)},

		// Hosts: workers of the pool
		{"GET /api/v1/pool-workers", poolRead, handle(s, "Failed to list pool workers", s.poolWorkers)},
		{"GET /api/v1/admin/pool-workers", poolView, handle(s, "Failed to list pool workers", s.adminPoolWorkers)},
		{"POST /api/v1/admin/pool-workers/{id}/disable", poolKeep.as("pool-worker.disable"), handle(s, "Failed to disable worker", s.disablePoolWorker)},
		{"POST /api/v1/admin/pool-workers/{id}/enable", poolKeep.as("pool-worker.enable"), handle(s, "Failed to enable worker", s.enablePoolWorker)},
		{"DELETE /api/v1/admin/pool-workers/{id}", poolKeep.as("pool-worker.delete"), handle(s, "Failed to delete worker", s.deletePoolWorker)},
		{"POST /api/v1/pool-workers/{id}/self-disable", workerSelf.as("pool-worker.self-disable"), handle(s, "Failed to disable worker", s.selfDisable)},
		{"POST /api/v1/pool-workers/{id}/self-enable", workerSelf.as("pool-worker.self-enable"), handle(s, "Failed to enable worker", s.selfEnable)},

		// Hosts: what a worker does by itself
		{"POST /api/v1/workers/self/register", workerSelf.unrecorded(workerTraffic), handle(s, "Registration failed", s.registerSelf)},
		{"POST /api/v1/workers/self/claim", workerSelf.unrecorded(workerTraffic), handle(s, "Failed to claim", s.claim)},
		{"POST /api/v1/workers/self/heartbeat", workerSelf.unrecorded(workerTraffic), handle(s, "Failed to process heartbeat", s.workerBeat)},
		{"POST /api/v1/workers/self/callbacks", workerSelf.unrecorded(workerTraffic), handle(s, "Failed to process callback", s.callbacks)},
		{"POST /api/v1/workers/self/run-events", workerSelf.unrecorded(workerTraffic), http.HandlerFunc(s.runEvents)},
		{"POST /api/v1/workers/self/rotate", workerSelf.as("worker.new-token"), handle(s, "Failed to replace the token", s.rotateToken)},
		{"POST /api/v1/workers/self/events", workerSelf.unrecorded(workerTraffic), handle(s, "Failed to store the event", s.workerEvent)},

		// Both
		{"GET /api/v1/workspaces", ownView, handle(s, "Failed to list workspaces", s.workspaces)},
		{"POST /api/v1/workspaces", ownChange.as("workspace.create"), handle(s, "Failed to create workspace", s.createWorkspace)},
		{"PATCH /api/v1/workspaces/{ws}", ownChange.as("workspace.change"), handle(s, "Failed to change workspace", s.changeWorkspace)},
		{"GET /api/v1/workspaces/{ws}/environments", ownView, handle(s, "Failed to list environments", s.environments)},
		{"POST /api/v1/workspaces/{ws}/environments", ownChange.as("environment.create"), handle(s, "Failed to create environment", s.createEnvironment)},
		{"GET /api/v1/tokens", tokens, handle(s, "Failed to list tokens", s.tokenList)},
		{"POST /api/v1/tokens", tokens.as("token.create"), handle(s, "Failed to create the token", s.createToken)},
		{"DELETE /api/v1/tokens/{id}", tokens.as("token.revoke"), handle(s, "Failed to revoke the token", s.revokeToken)},
		{"GET /api/v1/audit", auditView, handle(s, "Failed to read the audit log", s.auditLog)},
		{"GET /api/v1/session", signedIn, handle(s, "Failed to get the session", s.session)},
		{"GET /api/v1/health", anyone, handle(s, "Failed to get health", s.hostHealth)},

		// Releases
		{"GET /api/v1/releases/latest", anyone, handle(s, "Failed to get releases", s.releases)},
		{"GET /api/v1/releases", releasesView, handle(s, "Failed to list releases", s.releaseList)},
		{"GET /api/v1/releases/{program}/{version}", releasesView, handle(s, "Failed to get the release", s.showRelease)},
		{"POST /api/v1/releases/{program}/{version}", releasesChange.as("release.publish"), handle(s, "Failed to publish", s.publishRelease)},
		{"PUT /api/v1/releases/{program}/{version}/artifacts/{name}", releasesChange.as("release.upload"), http.HandlerFunc(s.putArtifact)},
		{"GET /api/v1/releases/{program}/{version}/artifacts/{name}", releasesView, http.HandlerFunc(s.getArtifact)},
		{"POST /api/v1/releases/{program}/{version}/yank", releasesChange.as("release.yank"), handle(s, "Failed to yank", s.yankRelease)},
		{"GET /api/v1/release-keys", releasesView, handle(s, "Failed to get the release keys", s.releaseKeys)},
		{"POST /api/v1/release-keys", releasesKey.as("release.key"), handle(s, "Failed to set the release key", s.setReleaseKey)},
	}
}
