import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { ChevronDown, CircleCheck, RotateCcw, Trash2 } from "lucide-react";
import { useMemo, useState } from "react";
import type { DeadLetter } from "../../api/types.ts";
import { count, shortId } from "../../lib/format.ts";
import { Action } from "../../ui/action.tsx";
import { Button } from "../../ui/button.tsx";
import { Id } from "../../ui/copy.tsx";
import { FilterSelect, SpanSelect } from "../../ui/field.tsx";
import { Awaited, Empty, Panel } from "../../ui/panel.tsx";
import { Ago } from "../../ui/time.tsx";
import { ErrorText } from "../failure.tsx";
import { useMayChange } from "../gate.tsx";
import { groupLetters, type LetterGroup } from "../letters.ts";
import { Heading } from "../parts.tsx";
import { lettersQuery, mostLetters, type Outcome, purgeLetters, retryLetters } from "../queries/dlq.ts";
import { pipelinesQuery } from "../queries/pipelines.ts";
import type { LettersSearch } from "../routes/work.ts";

const route = getRouteApi("/dead-letters");
const typedFrom = 100;

/** Task runs that failed for good, those that failed alike together. */
export function DeadLettersPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const letters = useQuery(lettersQuery({ pipelineId: search.pipeline, taskId: search.task, hours: search.hours }));
  const pipelines = useQuery(pipelinesQuery);
  const [outcome, setOutcome] = useState<(Outcome & { verb: string }) | null>(null);
  const set = (change: LettersSearch) => void navigate({ search: (old: LettersSearch) => ({ ...old, ...change }) });
  const groups = useMemo(() => groupLetters(letters.data?.items ?? []), [letters.data]);
  const all = letters.data?.items ?? [];
  const filtered = Boolean(search.pipeline || search.task || search.hours);
  const tasks = new Set([
    ...(pipelines.data ?? [])
      .filter((p) => !search.pipeline || p.id === search.pipeline)
      .flatMap((p) => Object.keys(p.structure ?? {})),
    ...all.map((l) => l.taskId),
    ...(search.task ? [search.task] : []),
  ]);
  return (
    <>
      <Heading
        title="Dead letters"
        tab="Dead letters"
        below="Task runs that failed and are not tried again by themselves."
      />
      <search className="flex flex-wrap gap-2">
        <FilterSelect label="Pipeline" value={search.pipeline} onChange={(pipeline) => set({ pipeline })} first>
          <option value="">Any pipeline</option>
          {(pipelines.data ?? []).map((p) => (
            <option key={p.id}>{p.id}</option>
          ))}
        </FilterSelect>
        <FilterSelect label="Task" value={search.task} onChange={(task) => set({ task })}>
          <option value="">Any task</option>
          {[...tasks].sort().map((id) => (
            <option key={id}>{id}</option>
          ))}
        </FilterSelect>
        <SpanSelect label="Failed" hours={search.hours} onChange={(hours) => set({ hours })} />
      </search>
      {outcome && <Report outcome={outcome} onClose={() => setOutcome(null)} />}
      {!letters.data ? (
        <div className="card">
          <Awaited query={letters} what="The dead letters could not be loaded" lines={5} />
        </div>
      ) : all.length === 0 ? (
        <div className="card">
          {filtered ? (
            <Empty
              icon={CircleCheck}
              title="No dead letter matches"
              action={<Button onClick={() => void navigate({ search: {} })}>Clear the filters</Button>}
            />
          ) : (
            <Empty icon={CircleCheck} title="No dead letters" command="pipeweave dlq list">
              Nothing has failed for good. A task run comes here when its last attempt fails.
            </Empty>
          )}
        </div>
      ) : (
        <>
          <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
            <p className="flex-1 text-muted">
              {count(letters.data.total, "dead letter")} in {count(groups.length, "group")}
              {letters.data.total > all.length && `; the newest ${mostLetters} are shown`}
            </p>
            {groups.length > 1 && <Bulk letters={all} what="all that are shown" onOutcome={setOutcome} />}
          </div>
          <ul className="space-y-3">
            {groups.map((group) => (
              <li key={group.key}>
                <Group group={group} open={groups.length === 1} onOutcome={setOutcome} />
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

interface OnOutcome {
  onOutcome: (outcome: (Outcome & { verb: string }) | null) => void;
}

/** The two things that can be done with many: exactly those that stood there when they were confirmed. */
function Bulk({
  letters,
  what,
  onOutcome,
  size = "sm",
}: { letters: DeadLetter[]; what: string; size?: "sm" | "md" } & OnOutcome) {
  const may = useMayChange();
  if (!may || letters.length === 0) return null;
  const n = letters.length;
  // Typed where much is at stake: the number, which nobody types by habit.
  const typed = n > typedFrom ? { typed: String(n) } : {};
  const ids = letters.map((l) => l.id);
  return (
    <span className="flex flex-wrap items-start gap-2">
      <Action
        size={size}
        label={`Retry ${n}`}
        name={`Retry ${n}: ${what}`}
        doing="Retrying…"
        icon={RotateCcw}
        confirm={{
          title: `Retry ${count(n, "dead letter")}?`,
          action: `Retry ${n}`,
          ...typed,
          body: (
            <p>
              Each runs again as a new task run with its old input and the code that is registered now, and its run goes
              on. What a task did before it failed it may do again.
            </p>
          ),
        }}
        {...(n === 1 ? { command: `pipeweave dlq retry ${ids[0]}` } : {})}
        run={() => retryLetters(ids)}
        done={(got) => (got.failed.length === 0 ? `${count(got.done, "dead letter")} retried` : null)}
        onDone={(got) => onOutcome(got.failed.length > 0 ? { ...got, verb: "retried" } : null)}
      />
      <Action
        size={size}
        label={`Purge ${n}`}
        name={`Purge ${n}: ${what}`}
        doing="Purging…"
        icon={Trash2}
        variant="danger"
        confirm={{
          title: `Purge ${count(n, "dead letter")}?`,
          action: `Purge ${n}`,
          danger: true,
          ...typed,
          body: (
            <p>
              They are deleted and cannot be retried any more. The task runs stay in their runs as failed. This cannot
              be undone.
            </p>
          ),
        }}
        run={() => purgeLetters(ids)}
        done={(got) =>
          got.done === n ? `${count(n, "dead letter")} purged` : `${got.done} of ${n} purged; the others were gone`
        }
        onDone={() => onOutcome(null)}
      />
    </span>
  );
}

const shownAtFirst = 20;

function Group({ group, open: atFirst, onOutcome }: { group: LetterGroup; open: boolean } & OnOutcome) {
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

/** What came of an action that did not succeed with all. It stays until it was read. */
function Report({ outcome, onClose }: { outcome: Outcome & { verb: string }; onClose: () => void }) {
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
