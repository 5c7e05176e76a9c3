import { queryOptions } from "@tanstack/react-query";
import type { Enrollment, Enrollments, IssueCodeRequest, IssuedCode } from "../../api/types.ts";
import { type Ask, changed, client, seg } from "../server.ts";

/** Hosts that wait for somebody's word. Codes that were issued beforehand wait for nobody. */
export const pendingQuery = queryOptions({
  queryKey: ["enrollments", "pending"],
  queryFn: async ({ signal }: Ask) => {
    const answer = await client.get<Enrollments>("/api/v1/enrollments?status=pending", { signal });
    return (answer.items ?? []).filter((e) => e.kind === "device" && e.status === "pending");
  },
  refetchInterval: 30_000,
});

export const lookupQuery = (code: string) =>
  queryOptions({
    queryKey: ["enrollment", code],
    queryFn: ({ signal }: Ask) => client.get<Enrollment>(`/api/v1/enrollments/lookup?code=${seg(code)}`, { signal }),
    retry: false,
  });

export async function decide(id: string, verb: "approve" | "deny"): Promise<Enrollment> {
  try {
    return await client.post<Enrollment>(`/api/v1/enrollments/${seg(id)}/${verb}`);
  } finally {
    changed(["enrollments"], ["workers"], ["hosts"]);
  }
}

/** Everything that asked or was issued, newest first. */
export const enrollmentsQuery = queryOptions({
  queryKey: ["enrollments", "all"],
  queryFn: async ({ signal }: Ask): Promise<Enrollment[]> =>
    (await client.get<Enrollments>("/api/v1/enrollments", { signal })).items ?? [],
  refetchInterval: 30_000,
});

/** A code that admits one host; the answer is the only place that has it. */
export async function issueCode(wanted: IssueCodeRequest): Promise<IssuedCode> {
  try {
    return await client.post<IssuedCode>("/api/v1/enrollments/codes", wanted);
  } finally {
    changed(["enrollments"], ["tokens"]);
  }
}

export async function revokeEnrollment(id: string): Promise<Enrollment> {
  try {
    return await client.post<Enrollment>(`/api/v1/enrollments/${seg(id)}/revoke`);
  } finally {
    changed(["enrollments"], ["tokens"]);
  }
}
