// Package e2e drives the three real programs, built once and run as real
// processes with folders and ports of their own: pairing, runs on both
// stores, kill -9 of each part, what is refused and how, a worker that speaks
// the older protocol, and the pages in a real browser.
//
// Cases that are proved here and elsewhere have numbers in the names of their
// tests: E for the engine, S for storage (TestDispatch_E4_rebinding, the rows of
// TestContract_hostile, storetest's races). E11, the engine killed at each
// change of state, is TestChaos_ReplicasAndDatabase, TestKill_* and the crash
// tests of both stores; workers are killed in TestKill_* and TestNode. Of S7
// there is nothing to prove: the server makes no presigned URLs, it passes bytes
// on by itself. E9 wants what a worker answers to be shown to administrators
// only: it is the error text of the task run, which the contract shows to every
// viewer, so it is bounded and made harmless instead.
//
// The same for a host. W is about the pages too; here is what the server does
// about it. Rows are named in the tests of daemon, daemon/localapi, supervisor,
// manifest, enroll and cmd/pipedai-orchestrator/cli; TestHost_* repeats those
// that only the real daemon proves, and TestHost_faults all of it at random.
//
//   - L1 to L12, L15, L16, L21: TestGuard_*; L16 also TestWorker_L16; L18:
//     TestLogFile_L18, TestRun_L18, TestCredentials_L18; L19, L22: TestHost_L19,
//     TestHost_L22; L23: TestStart_L23, TestRun_refusesWhatIsNotLoopback.
//   - W1, W2, W3, W5: TestEvents_*; W3 also TestTokenRotate_W3; W9:
//     TestLogs_W9; what W8 and W7 ask of the server is bounded lines and a feed
//     that resumes, see docs/logs.md; the rest of them is the pages'. Of W2,
//     tickets do not apply: the socket takes the token, as the contract has it.
//     W10 and W11 are the pages' alone, see below.
//   - P1: TestSupervisor_P1, TestHost_P1; P3: TestSupervisor_P3, TestHost_P3; P5:
//     TestSupervisor_P5; P6: TestSupervisor_P6, TestRun_P6, TestHost_P6; P7:
//     TestSupervisor_P7, TestHost_P7; P8: TestRun_P8, TestService_P8; P9, P10, P13,
//     P15, P18: TestSupervisor_*; P11: TestHost_P11; P16: TestManifest_P16; P19:
//     TestHost_P19; P20: TestAdopt_P20; P22: TestSettings_P22, TestHost_P22. P21
//     does not apply: workers have no health endpoint that a host asks.
//   - C1, C2, C12: TestTree_*; C4: TestConnect_C4, TestStop_C4; C5, C7:
//     TestStatus_*, TestFitTable_C7; C9: TestLogin_C9; C10: TestConfig_C10; C11:
//     TestInstall_C11, TestRender_C11; C13: TestCompletion_C13; C14:
//     TestReference_C14.
//
// The pages, in web/e2e against servers that hold everything in memory, with the
// numbers in the titles of the tests, and here against the real programs:
//
//   - W3, W5: slow.test.mjs, dashboard.test.mjs, console.test.mjs; W5, W7, W8, W9:
//     TestPageLogs, and W5, W7 against a clock: live/link.test.ts; W9 by
//     keyboard, with its links and files: logs.test.mjs. W10: each screen of
//     screens.mjs in access.test.mjs (axe in both themes, targets, 200 % zoom,
//     360 and 320 px, no motion, forced colours; failed and loading parts in
//     slow.test.mjs), keyboard.test.mjs without a mouse. W11: zones.test.mjs.
//   - X2: slow.test.mjs, for each answer of each page. X3, X5: TestLargePages,
//     console-work.test.mjs. X6: console-work.test.mjs, model.test.ts. X7, X8:
//     console-fleet.test.mjs, console-work.test.mjs. X9: console.test.mjs,
//     dashboard-views.test.mjs. X10: budget.test.mjs; that axe and the policy
//     fail the build is W10's, since every tab of these tests fails on what the
//     browser complains about.
//   - Names that somebody chose to break a page with: hostile.test.mjs.
//
// What is promised of upgrades: TestUpgrade_rollingUnderLoad (no run notices),
// TestUpgrade_kills (a kill at any step), TestUpgrade_U9_releasesThatDoNotWork
// and TestSelfUpgrade_U9_* (what does not work is taken back, and not tried
// again), TestRollout_stopsAtItsBudget, TestRevocation_onTheOtherReplica.
//
// The loops that kill and disturb go round a few times, over each step and each
// kind of fault; make test-long has their full number:
//
//	TestUpgrade_kills              PIPEDAI_UPGRADES      39, 200
//	TestSelfUpgrade_kills          PIPEDAI_SELF_KILLS     8, 40
//	TestHost_faults                PIPEDAI_FAULTS       240, 1000
//	TestChaos_ReplicasAndDatabase  PIPEWEAVE_CHAOS_RUNS 900, 2000
//
// Each prints the seed of its choices, which PIPEDAI_UPGRADES_SEED,
// PIPEDAI_SELF_SEED, PIPEDAI_FAULTS_SEED and PIPEWEAVE_CHAOS_SEED repeat.
//
// Everything is in test files. main_test.go builds the programs and checks
// that no process is left; plane_test.go, host_test.go and proc_test.go start
// and stop them; every other file is about one promise.
package e2e
