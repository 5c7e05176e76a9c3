import { expect, it } from "vitest";
import type { Service, ServiceInstance } from "../../api/types.ts";
import { otherVersions, remedyOf, takersOf } from "./words.ts";

const worker = (
  version: string,
  status: ServiceInstance["status"],
  more: Partial<ServiceInstance> = {},
): ServiceInstance => ({
  name: "w",
  workerId: "wrk_1",
  workspaceId: "default",
  version,
  status,
  lastSeenAt: null,
  since: null,
  ...more,
});

const service = (instances: ServiceInstance[], more: Partial<Service> = {}) =>
  ({ id: "pdf", version: "1.4.0", baseUrl: "", instances, elsewhere: 0, ...more }) as Service;

it("says how many take its work", () => {
  expect(takersOf(service([worker("1.4.0", "busy"), worker("1.4.0", "online")]))).toBe("2 workers");
  expect(takersOf(service([worker("1.4.0", "online"), worker("1.4.0", "offline")], { elsewhere: 3 }))).toBe(
    "1 of 2 workers, 3 elsewhere",
  );
  expect(takersOf(service([]))).toBe("no worker");
  expect(takersOf(service([worker("1", "online")], { baseUrl: "http://x" }))).toBe("pushed to one address");
});

it("says which versions run beside the one that registered last", () => {
  const two = [worker("1.4.0", "busy"), worker("1.3.0", "online"), worker("1.3.0", "busy"), worker("", "online")];
  expect(otherVersions(service(two))).toBe("2 of 3 still run 1.3.0");
  // One that came back with an older version registered last: the newer ones do not "still" run.
  expect(otherVersions(service(two, { version: "1.3.0" }))).toBe("1 of 3 runs 1.4.0");
  expect(otherVersions(service([worker("1.3.0", "offline"), worker("1.4.0", "online")]))).toBeNull();
});

it("names the command that helps", () => {
  const at = (s: Service) => remedyOf(s, "http://hub").command;
  expect(at(service([worker("1", "offline"), worker("1", "disabled")]))).toBe("pipeweave workers enable wrk_1");
  expect(remedyOf(service([worker("1", "offline", { host: "build-1" })]), "").where).toBe("On build-1, this says why:");
  expect(at(service([]))).toBe("pipedai-orchestrator connect --api-url http://hub");
});
