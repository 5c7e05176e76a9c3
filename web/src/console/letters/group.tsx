import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ChevronDown } from "lucide-react";
import { useState } from "react";
import type { DeadLetter, LetterGroup } from "../../api/types.ts";
import { count, shortId } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { Id } from "../../ui/copy.tsx";
import { Awaited } from "../../ui/panel.tsx";
import { Ago } from "../../ui/time.tsx";
import { ErrorText } from "../failure.tsx";
import { type LetterSet, lettersQuery } from "../queries/dlq.ts";
import { Bulk, type OnOutcome } from "./bulk.tsx";

const shownAtFirst = 20;
const mostShown = 1_000;

interface Props extends OnOutcome {
  group: LetterGroup;
  /** The set that it is a part of. */
  all: LetterSet;
  open: boolean;
}

/** Letters that failed alike: what failed, how often and when, and each of them on demand. */
export function Group({ group, all, open: atFirst, onOutcome }: Props) {
  const [open, setOpen] = useState(atFirst);
  const set = { ...all, group: group.id };
  return (
    <section aria-label={`Failures of ${group.taskId}`} className="card overflow-hidden" data-letters={group.count}>
      <div className="flex flex-wrap items-start gap-x-4 gap-y-2 px-3 py-2.5">
        <button
          data-row
          type="button"
          aria-expanded={open}
          onClick={() => setOpen(!open)}
          className="flex min-w-0 flex-1 basis-60 items-start gap-2 text-left"
        >
          <ChevronDown aria-hidden className={`mt-1 size-4 shrink-0 text-muted ${open ? "" : "-rotate-90"}`} />
          <span className="min-w-0">
            <span className="flex flex-wrap items-center gap-x-2">
              <span className="font-semibold">{group.taskId}</span>
              <span className="tone-bad tint rounded-full border px-1.5 text-xs font-semibold">×{group.count}</span>
            </span>
            <span className="line-clamp-2 font-mono text-sm text-muted">
              {group.error.split("\n", 1)[0] || "No reason was given."}
            </span>
            <span className="block text-sm text-muted">
              last <Ago at={group.newest} />
              {group.count > 1 && (
                <>
                  , first <Ago at={group.oldest} />
                </>
              )}
            </span>
          </span>
        </button>
        <Bulk
          n={group.count}
          what={`failures of ${group.taskId}`}
          which={group.count === 1 ? group.exampleId : set}
          onOutcome={onOutcome}
        />
      </div>
      {open && <Letters set={set} onOutcome={onOutcome} />}
    </section>
  );
}

function Letters({ set, onOutcome }: { set: LetterSet } & OnOutcome) {
  const [most, setMost] = useState(shownAtFirst);
  const letters = useQuery(lettersQuery(set, most));
  if (!letters.data) {
    return (
      <div className="border-t border-line">
        <Awaited query={letters} what="The dead letters of this group could not be loaded" />
      </div>
    );
  }
  const { items, total } = letters.data;
  return (
    <div className="border-t border-line" aria-busy={letters.isPlaceholderData}>
      <ul className="divide-y divide-line">
        {items.map((letter) => (
          <Letter key={letter.id} letter={letter} onOutcome={onOutcome} alone={total === 1} />
        ))}
      </ul>
      {total > items.length && (
        <div className="border-t border-line p-2 text-center">
          {most < mostShown ? (
            <Button
              size="sm"
              pending={letters.isPlaceholderData}
              onClick={() => setMost(Math.min(mostShown, most + 100))}
            >
              Show more of {total}
            </Button>
          ) : (
            <p className="text-sm text-muted">These are the newest {mostShown}.</p>
          )}
        </div>
      )}
    </div>
  );
}

function Letter({ letter, alone, onOutcome }: { letter: DeadLetter; alone: boolean } & OnOutcome) {
  return (
    <li className="space-y-2 px-3 py-2.5 sm:pl-9">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1 text-sm">
        {letter.pipelineRunId ? (
          <Link
            to="/runs/$id"
            params={{ id: letter.pipelineRunId }}
            search={{ task: letter.taskId }}
            className="link font-mono"
            title={letter.pipelineRunId}
          >
            {shortId(letter.pipelineRunId, 22)}
          </Link>
        ) : (
          <span className="text-muted">of no run</span>
        )}
        {letter.pipelineId && <span className="text-muted">{letter.pipelineId}</span>}
        <span>
          failed <Ago at={letter.failedAt} /> after {count(letter.attempts, "attempt")}
        </span>
        <span className="text-muted">code version {letter.codeVersion}</span>
        <Id id={letter.id} what="dead letter id" length={20} />
        {!alone && (
          <span className="ml-auto">
            <Bulk n={1} what={letter.id} which={letter.id} onOutcome={onOutcome} />
          </span>
        )}
      </div>
      <ErrorText text={letter.error} />
      <details>
        <summary className="text-sm text-muted">Input</summary>
        <pre className="mt-1.5 max-h-60 overflow-auto rounded-md border border-line bg-bg p-2.5 font-mono text-sm whitespace-pre-wrap">
          {letter.input === null ? "It cannot be shown here; it may be large." : JSON.stringify(letter.input, null, 2)}
        </pre>
      </details>
    </li>
  );
}
