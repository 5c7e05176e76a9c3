export interface BackoffPolicy {
  baseMs: number;
  maxMs: number;
}

/**
 * How long to wait before try n (from 1). Half of it is random, so that pages that lost the same server do not come back
 * in step; the other half is not, so that the wait is never zero.
 */
export function backoffDelay(n: number, policy: BackoffPolicy, random: () => number = Math.random): number {
  const full = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.max(0, n - 1));
  return Math.round(full / 2 + (full / 2) * random());
}
