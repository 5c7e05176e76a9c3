import {
  Ban,
  CircleAlert,
  CircleCheck,
  CircleDashed,
  CircleDot,
  CircleHelp,
  CircleMinus,
  CirclePause,
  CircleX,
  Clock,
  Hourglass,
  LoaderCircle,
  type LucideIcon,
  RotateCw,
  TimerOff,
} from "lucide-react";

export type Tone = "ok" | "run" | "warn" | "bad" | "idle";

interface Look {
  label: string;
  tone: Tone;
  icon: LucideIcon;
  spins?: boolean;
}

// Every word that any part of the product uses for a state, once.
const looks: Record<string, Look> = {
  // runs and tasks
  pending: { label: "Pending", tone: "idle", icon: Clock },
  queued: { label: "Queued", tone: "idle", icon: Clock },
  blocked: { label: "Waiting", tone: "idle", icon: Hourglass },
  retrying: { label: "Retrying", tone: "warn", icon: RotateCw },
  running: { label: "Running", tone: "run", icon: LoaderCircle, spins: true },
  completed: { label: "Completed", tone: "ok", icon: CircleCheck },
  partial: { label: "Partial", tone: "warn", icon: CircleAlert },
  failed: { label: "Failed", tone: "bad", icon: CircleX },
  timeout: { label: "Timed out", tone: "bad", icon: TimerOff },
  cancelled: { label: "Cancelled", tone: "idle", icon: Ban },
  skipped: { label: "Skipped", tone: "idle", icon: CircleMinus },
  // the whole installation
  waiting_for_maintenance: { label: "Waiting for maintenance", tone: "warn", icon: Hourglass },
  maintenance: { label: "Maintenance", tone: "warn", icon: CirclePause },
  // worker processes
  up: { label: "Running", tone: "ok", icon: CircleCheck },
  starting: { label: "Starting", tone: "run", icon: LoaderCircle, spins: true },
  draining: { label: "Draining", tone: "warn", icon: Hourglass },
  stopped: { label: "Stopped", tone: "idle", icon: CirclePause },
  "backing-off": { label: "Backing off", tone: "warn", icon: RotateCw },
  crashed: { label: "Crashed", tone: "bad", icon: CircleX },
  // workers and services as the control plane sees them
  online: { label: "Online", tone: "ok", icon: CircleCheck },
  active: { label: "Active", tone: "ok", icon: CircleCheck },
  serving: { label: "Serving", tone: "ok", icon: CircleCheck },
  unserved: { label: "Nobody serves it", tone: "bad", icon: CircleX },
  busy: { label: "Busy", tone: "run", icon: CircleDot },
  offline: { label: "Offline", tone: "bad", icon: CircleX },
  inactive: { label: "Inactive", tone: "idle", icon: CirclePause },
  disabled: { label: "Disabled", tone: "warn", icon: CirclePause },
  // pairings
  approved: { label: "Approved", tone: "ok", icon: CircleCheck },
  redeemed: { label: "Paired", tone: "ok", icon: CircleCheck },
  denied: { label: "Denied", tone: "bad", icon: Ban },
  revoked: { label: "Revoked", tone: "bad", icon: Ban },
  expired: { label: "Expired", tone: "idle", icon: TimerOff },
  // long actions of a host, and what they are made of
  succeeded: { label: "Succeeded", tone: "ok", icon: CircleCheck },
  waiting: { label: "Waiting", tone: "idle", icon: Hourglass },
  upgraded: { label: "Upgraded", tone: "ok", icon: CircleCheck },
  unchanged: { label: "Unchanged", tone: "idle", icon: CircleMinus },
  undoing: { label: "Taking back", tone: "warn", icon: RotateCw },
  // files of workers that were set up by hand
  adoptable: { label: "Can be adopted", tone: "run", icon: CircleDot },
  unfinished: { label: "Unfinished", tone: "warn", icon: Hourglass },
  managed: { label: "Managed", tone: "ok", icon: CircleCheck },
  unusable: { label: "Cannot be used", tone: "idle", icon: CircleMinus },
  adopted: { label: "Adopted", tone: "ok", icon: CircleCheck },
  "taken-over": { label: "Taken over", tone: "ok", icon: CircleCheck },
  undone: { label: "Given back", tone: "idle", icon: CircleMinus },
  // the network
  "api-unreachable": { label: "Control plane unreachable", tone: "warn", icon: CircleAlert },
  unknown: { label: "Not known", tone: "idle", icon: CircleHelp },
  // hosts
  never: { label: "Never seen", tone: "idle", icon: CircleDashed },
  paused: { label: "Paused", tone: "warn", icon: CirclePause },
  // rollouts and their hosts
  ordered: { label: "Told", tone: "run", icon: CircleDot },
  overdue: { label: "Overdue", tone: "bad", icon: TimerOff },
  refused: { label: "Refused", tone: "warn", icon: Ban },
  withdrawing: { label: "Being taken back", tone: "warn", icon: RotateCw },
  withdrawn: { label: "Taken back", tone: "idle", icon: CircleMinus },
  aborting: { label: "Aborting", tone: "warn", icon: Hourglass },
  aborted: { label: "Aborted", tone: "idle", icon: Ban },
  // releases
  published: { label: "Published", tone: "ok", icon: CircleCheck },
  "old-key": { label: "Old key", tone: "warn", icon: CircleAlert },
  yanked: { label: "Yanked", tone: "bad", icon: Ban },
  // tokens, and how what was tried ended
  valid: { label: "Valid", tone: "ok", icon: CircleCheck },
  used: { label: "Used", tone: "idle", icon: CircleMinus },
  ok: { label: "Done", tone: "ok", icon: CircleCheck },
  // the daemon
  upgrading: { label: "Upgrading", tone: "run", icon: LoaderCircle, spins: true },
  needs_login: { label: "Not connected", tone: "warn", icon: CircleDashed },
  degraded: { label: "Degraded", tone: "warn", icon: CircleAlert },
  error: { label: "Error", tone: "bad", icon: CircleAlert },
  warning: { label: "Warning", tone: "warn", icon: CircleAlert },
};

/** How a state looks. A word that is not known (a newer server) is shown as it is. */
export function lookOf(state: string): Look {
  return looks[state] ?? { label: state || "Unknown", tone: "idle", icon: CircleHelp };
}

/** A state as icon, word and colour. */
export function StateBadge({ state, label, title }: { state: string; label?: string; title?: string }) {
  const look = lookOf(state);
  return (
    <span
      className={`tone-${look.tone} tint inline-flex items-center gap-1.5 rounded-full border px-2 py-px text-xs font-medium whitespace-nowrap`}
      title={title}
      data-state={state}
    >
      <look.icon aria-hidden className={`size-3.5 shrink-0 ${look.spins ? "spin" : ""}`} strokeWidth={2.25} />
      {label ?? look.label}
    </span>
  );
}

/** Only the icon, for places where the word stands beside it. */
export function StateIcon({ state, className = "size-4" }: { state: string; className?: string }) {
  const look = lookOf(state);
  return (
    <look.icon
      aria-hidden
      className={`tone-${look.tone} tone-text shrink-0 ${look.spins ? "spin" : ""} ${className}`}
      strokeWidth={2.25}
    />
  );
}
