import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { CircleAlert, ClipboardCheck, Play } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { ApiError } from "../../api/client.ts";
import type { DryRun, FieldError, Json } from "../../api/types.ts";
import { count, shellQuote } from "../../lib/format.ts";
import { compactJSON, jsonProblem, parseJSON, prettyJSON } from "../../lib/json.ts";
import { Button } from "../../ui/button.tsx";
import { FormDialog } from "../../ui/form-dialog.tsx";
import { Loading } from "../../ui/panel.tsx";
import { Refusal } from "../../ui/refusal.tsx";
import { toast } from "../../ui/toast.tsx";
import { objectQuery } from "../queries/objects.ts";
import { dryRun, entrySchemasQuery, trigger } from "../queries/pipelines.ts";
import { runsQuery } from "../queries/runs.ts";
import { Fields } from "./fields.tsx";
import { asMembers, errorsByField, errorsElsewhere, initial, joinSchemas, readSchema, shownOnly } from "./schema.ts";

interface Props {
  pipeline: string;
  /** Where an input lies that this run begins with, such as that of a run to do again. */
  inputPath?: string;
  onClose: () => void;
}

type Errors = Record<string, FieldError[] | null>;

/** Starts a run, with a form where its tasks say what they take, or with JSON. One is the other written differently. */
export function TriggerDialog({ pipeline, inputPath, onClose }: Props) {
  const navigate = useNavigate();
  const schemas = useQuery(entrySchemasQuery(pipeline));
  const last = useQuery({ ...runsQuery({ pipelineId: pipeline, limit: 1 }), enabled: inputPath === undefined });
  const from = inputPath ?? last.data?.runs[0]?.inputPath ?? "";
  const example = useQuery({ ...objectQuery(from), enabled: from !== "", retry: false });
  const offered = example.data && !example.data.cut ? prettyJSON(example.data.text) : null;
  const fields = useMemo(() => joinSchemas(Object.values(schemas.data ?? {}).map(readSchema)), [schemas.data]);

  const [text, setText] = useState<string | null>(null); // the input, as JSON
  const [asJSON, setAsJSON] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const hasForm = fields.length > 0;
  const input = text ?? (hasForm ? JSON.stringify(initial(fields), null, 2) : "{}");
  const form = hasForm && !asJSON;
  const value = jsonProblem(input) === null ? asMembers(parseJSON(input) as Json) : {};

  // The fields come when the schemas have; the focus waited on a button.
  const fieldsBox = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!schemas.isPending) fieldsBox.current?.querySelector<HTMLElement>("input, select, textarea")?.focus();
  }, [schemas.isPending]);

  // A run again begins with what it had; typing is never overwritten.
  useEffect(() => {
    if (inputPath !== undefined && offered !== null) setText((now) => now ?? offered);
  }, [inputPath, offered]);

  const start = useMutation({
    mutationFn: (value: unknown) => trigger(pipeline, value, form ? "strict" : "warn"),
    onSuccess: (answer) => {
      const warned = Object.entries(answer.validationWarnings ?? {});
      if (warned.length > 0)
        toast(
          "info",
          "The run started, though its input looks odd",
          warned.map(([task, list]) => `${task}: ${sentence(list)}`).join("; "),
        );
      onClose();
      void navigate({ to: "/runs/$id", params: { id: answer.pipelineRunId } });
    },
  });
  const plan = useMutation({ mutationFn: (value: unknown) => dryRun(pipeline, value) });

  const refused: Errors =
    (start.error instanceof ApiError && isErrors(start.error.details) ? start.error.details : plan.data?.inputErrors) ??
    {};
  const errors = errorsByField(refused);
  const elsewhere = form ? errorsElsewhere(errors, fields, value) : [...errors];
  const parsed = (): unknown => {
    const found = jsonProblem(input);
    setProblem(found);
    if (found !== null) return undefined;
    return form ? shownOnly(fields, value) : parseJSON(input);
  };
  const submit = () => {
    const sent = parsed();
    plan.reset();
    if (sent !== undefined) start.mutate(sent);
  };
  const change = (next: string) => {
    setText(next);
    setProblem(null);
  };
  const compact =
    jsonProblem(input) === null ? compactJSON(form ? JSON.stringify(shownOnly(fields, value)) : input) : "{}";
  return (
    <FormDialog
      wide
      title={`Run ${pipeline}`}
      action="Start the run"
      icon={Play}
      cancel="Close"
      pending={start.isPending}
      onSubmit={submit}
      onClose={onClose}
      refused="The run was not started"
      error={errors.size > 0 ? null : start.error}
      command={`pipeweave trigger ${shellQuote(pipeline)} --input ${shellQuote(compact)} --wait`}
      more={
        <Button
          icon={ClipboardCheck}
          pending={plan.isPending}
          onClick={() => {
            const sent = parsed();
            start.reset();
            if (sent !== undefined) plan.mutate(sent);
          }}
        >
          Dry run
        </Button>
      }
    >
      <div className="flex flex-wrap items-center justify-end gap-2">
        {hasForm && (
          <Button
            size="sm"
            variant="ghost"
            className="mr-auto"
            onClick={() => {
              // JSON that is none cannot become a form.
              const found = jsonProblem(input);
              setProblem(found);
              if (form && text === null) setText(input);
              if (found === null) setAsJSON(!asJSON);
            }}
          >
            {form ? "Write it as JSON" : "Fill in the form"}
          </Button>
        )}
        {offered !== null && offered !== text && (
          <Button size="sm" variant="ghost" onClick={() => change(offered)}>
            {inputPath ? "Back to that run's input" : "Use the last run's input"}
          </Button>
        )}
      </div>
      {elsewhere.length > 0 && (
        <ul
          className="tone-bad tint space-y-1 rounded-md border p-2.5 text-sm"
          aria-label="What is wrong with the input"
        >
          {elsewhere.map(([field, said]) => (
            <li key={field}>
              {field && <code className="font-mono">{field}: </code>}
              {said}
            </li>
          ))}
        </ul>
      )}
      <div ref={fieldsBox}>
        {schemas.isPending ? (
          <Loading lines={3} />
        ) : form ? (
          <Fields
            fields={fields}
            value={value}
            onChange={(next) => change(JSON.stringify(next, null, 2))}
            errors={errors}
            path=""
          />
        ) : (
          <JSONInput input={input} problem={problem} onChange={change} />
        )}
      </div>
      {start.isError && errors.size > 0 && (
        <p role="alert" className="flex items-start gap-1.5 text-sm text-bad">
          <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
          The run was not started: {count(errors.size, "field")} of the input {errors.size === 1 ? "is" : "are"} wrong.
        </p>
      )}
      {plan.isError && <Refusal what="The dry run failed" error={plan.error} />}
      {plan.data && <Plan plan={plan.data} />}
    </FormDialog>
  );
}

function JSONInput({
  input,
  problem,
  onChange,
}: {
  input: string;
  problem: string | null;
  onChange: (text: string) => void;
}) {
  return (
    <div className="space-y-1.5">
      <label htmlFor="input" className="font-medium">
        Input, as JSON
      </label>
      <textarea
        id="input"
        rows={9}
        spellCheck={false}
        className="field w-full font-mono text-sm"
        value={input}
        onChange={(e) => onChange(e.target.value)}
        onKeyDown={(e) => {
          if (e.key === "Enter" && (e.metaKey || e.ctrlKey)) e.currentTarget.form?.requestSubmit();
        }}
        aria-invalid={problem !== null || undefined}
        aria-describedby={problem ? "input-problem" : undefined}
      />
      {problem && (
        <p id="input-problem" role="alert" className="text-sm text-bad">
          This is not JSON: {problem}
        </p>
      )}
    </div>
  );
}

/** What a dry run found: what would run after what, and what stands against it. */
function Plan({ plan }: { plan: DryRun }) {
  const steps = plan.executionPlan ?? [];
  const wrong = Object.values(plan.inputErrors ?? {}).flatMap((list) => list ?? []).length;
  return (
    <section aria-label="Dry run" className="rounded-md border border-line p-3">
      <p role="status" className={`font-medium ${plan.valid && wrong === 0 ? "text-ok" : "text-bad"}`}>
        {!plan.valid
          ? "It would not start."
          : wrong > 0
            ? "The pipeline is fine, the input is not."
            : `It would run ${count(steps.length, "step")}. Nothing was started.`}
      </p>
      {[...(plan.errors ?? []), ...(plan.warnings ?? [])].map((said) => (
        <p key={said} className="text-sm text-muted">
          {said}
        </p>
      ))}
      <ol className="mt-1.5 max-h-40 list-inside list-decimal overflow-y-auto text-sm text-muted">
        {steps.map((step) => (
          <li key={step.step}>{(step.tasks ?? []).join(", ")}</li>
        ))}
      </ol>
    </section>
  );
}

/** Whether the details of a refusal are errors by task, and not something else that is wrong with the request. */
const isErrors = (details: unknown): details is Errors =>
  typeof details === "object" &&
  details !== null &&
  Object.values(details).every(
    (list) => Array.isArray(list) && list.every((e: unknown) => typeof e === "object" && e !== null && "field" in e),
  );

const sentence = (list: FieldError[] | null) => (list ?? []).map((e) => `${e.field} ${e.message}`).join(", ");
