import { RotateCcw, Trash2 } from "lucide-react";
import { useState } from "react";
import { count } from "../../lib/format.ts";
import { Action } from "../../ui/action.tsx";
import { Button } from "../../ui/button.tsx";
import { Id } from "../../ui/copy.tsx";
import { Panel } from "../../ui/panel.tsx";
import { At } from "../../ui/time.tsx";
import { useMayChange } from "../gate.tsx";
import { idsOf, type LetterSet, type Outcome, purgeLetters, retryLetters } from "../queries/dlq.ts";

const typedFrom = 100;

/** What came of something that was done with many, of which some failed. */
export type BulkOutcome = Outcome & { verb: string };

export interface OnOutcome {
  onOutcome: (outcome: BulkOutcome | null) => void;
}

/** Some dead letters that stand on the page: how many they are, in words what, and which. */
export interface Some {
  n: number;
  what: string;
  /** One that is named, or a set whose ids the server knows. */
  which: string | LetterSet;
}

/**
 * The two things that can be done with many: with exactly those that stood there when they were confirmed, and of which the
 * newest failed when it says so.
 */
export function Bulk({ n, what, which, onOutcome, size = "sm" }: Some & { size?: "sm" | "md" } & OnOutcome) {
  const may = useMayChange();
  const [far, setFar] = useState<number | null>(null);
  const begin = async <T,>(run: (ids: string[], onProgress: (n: number) => void) => Promise<T>) => {
    setFar(null);
    const ids = typeof which === "string" ? [which] : await idsOf(which);
    return run(ids, setFar);
  };
  if (!may || n === 0) return null;
  // Typed where much is at stake: the number, which nobody types by habit.
  const typed = n > typedFrom ? { typed: String(n) } : {};
  const progress = far !== null && n > typedFrom ? ` ${far} of ${n}…` : "…";
  const asOf = typeof which === "string" || n === 1 ? null : which.asOf;
  return (
    <span className="flex flex-wrap items-start gap-2">
      <Action
        size={size}
        label={`Retry ${n}`}
        name={`Retry ${n}: ${what}`}
        doing={`Retrying${progress}`}
        icon={RotateCcw}
        confirm={{
          title: `Retry ${count(n, "dead letter")}?`,
          action: `Retry ${n}`,
          ...typed,
          body: (
            <>
              <p>
                Each runs again as a new task run with its old input and the code that is registered now, and its run
                goes on. What a task did before it failed it may do again.
              </p>
              <AsOf at={asOf} />
            </>
          ),
        }}
        {...(typeof which === "string" ? { command: `pipeweave dlq retry ${which}` } : {})}
        run={() => begin(retryLetters)}
        done={(got) => (got.failed.length === 0 ? `${count(got.done, "dead letter")} retried` : null)}
        onDone={(got) => onOutcome(got.failed.length > 0 ? { ...got, verb: "retried" } : null)}
      />
      <Action
        size={size}
        label={`Purge ${n}`}
        name={`Purge ${n}: ${what}`}
        doing={`Purging${progress}`}
        icon={Trash2}
        variant="danger"
        confirm={{
          title: `Purge ${count(n, "dead letter")}?`,
          action: `Purge ${n}`,
          danger: true,
          ...typed,
          body: (
            <>
              <p>
                They are deleted and cannot be retried any more. The task runs stay in their runs as failed. This cannot
                be undone.
              </p>
              <AsOf at={asOf} />
            </>
          ),
        }}
        run={() => begin(purgeLetters)}
        done={(got) =>
          got.failed.length > 0
            ? null
            : got.done >= n
              ? `${count(got.done, "dead letter")} purged`
              : `${got.done} of ${n} purged; the others were gone`
        }
        onDone={(got) => onOutcome(got.failed.length > 0 ? { ...got, verb: "purged" } : null)}
      />
    </span>
  );
}

/** What failed later is left alone. */
function AsOf({ at }: { at: string | null }) {
  if (!at) return null;
  return (
    <p className="mt-2 text-muted">
      Only what failed until <At at={at} /> is meant, not what fails meanwhile.
    </p>
  );
}

/** What came of an action that did not succeed with all. It stays until it was read. */
export function Report({ outcome, onClose }: { outcome: BulkOutcome; onClose: () => void }) {
  return (
    <Panel
      title={`${outcome.done} ${outcome.verb}, ${outcome.failed.length} not`}
      aside={
        <Button size="sm" variant="ghost" onClick={onClose}>
          Close
        </Button>
      }
    >
      <p role="alert" className="sr-only">
        {outcome.failed.length} of them were not {outcome.verb}.
      </p>
      <ul className="max-h-60 divide-y divide-line overflow-y-auto" aria-label={`Not ${outcome.verb}`}>
        {outcome.failed.map((f) => (
          <li key={f.id} className="flex flex-wrap gap-x-3 px-3 py-1.5 text-sm">
            <Id id={f.id} what="dead letter id" length={22} />
            <span className="min-w-0 flex-1">{f.reason}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
