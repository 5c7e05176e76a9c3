import { Link } from "@tanstack/react-router";
import { ChevronDown } from "lucide-react";
import { useState } from "react";
import type { DeadLetter } from "../../api/types.ts";
import { count, shortId } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { Id } from "../../ui/copy.tsx";
import { Ago } from "../../ui/time.tsx";
import { ErrorText } from "../failure.tsx";
import { Bulk, type OnOutcome } from "./bulk.tsx";
import type { LetterGroup } from "./letters.ts";

const shownAtFirst = 20;

/** Letters that failed alike: what failed, how often and when, and each of them on demand. */
export function Group({ group, open: atFirst, onOutcome }: { group: LetterGroup; open: boolean } & OnOutcome) {
  const [open, setOpen] = useState(atFirst);
  const [most, setMost] = useState(shownAtFirst);
  return (
    <section
      aria-label={`Failures of ${group.task}`}
      className="card overflow-hidden"
      data-letters={group.letters.length}
    >
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
              <span className="font-semibold">{group.task}</span>
              <span className="tone-bad tint rounded-full border px-1.5 text-xs font-semibold">
                ×{group.letters.length}
              </span>
            </span>
            <span className="line-clamp-2 font-mono text-sm text-muted">
              {group.error.split("\n", 1)[0] || "No reason was given."}
            </span>
            <span className="block text-sm text-muted">
              last <Ago at={group.newest} />
              {group.letters.length > 1 && (
                <>
                  , first <Ago at={group.oldest} />
                </>
              )}
            </span>
          </span>
        </button>
        <Bulk letters={group.letters} what={`failures of ${group.task}`} onOutcome={onOutcome} />
      </div>
      {open && (
        <div className="border-t border-line">
          <ul className="divide-y divide-line">
            {group.letters.slice(0, most).map((letter) => (
              <Letter key={letter.id} letter={letter} onOutcome={onOutcome} alone={group.letters.length === 1} />
            ))}
          </ul>
          {group.letters.length > most && (
            <div className="border-t border-line p-2 text-center">
              <Button size="sm" onClick={() => setMost(most + 100)}>
                Show more of {group.letters.length}
              </Button>
            </div>
          )}
        </div>
      )}
    </section>
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
            <Bulk letters={[letter]} what={letter.id} onOutcome={onOutcome} />
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
