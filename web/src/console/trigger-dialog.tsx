import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Play } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import type { FieldError } from "../api/types.ts";
import { shellQuote } from "../lib/format.ts";
import { compactJSON, jsonProblem, parseJSON, prettyJSON } from "../lib/json.ts";
import { Button } from "../ui/button.tsx";
import { Command } from "../ui/copy.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { describe, toast } from "../ui/toast.tsx";
import { objectQuery } from "./queries/objects.ts";
import { trigger } from "./queries/pipelines.ts";
import { runsQuery } from "./queries/runs.ts";

interface Props {
  pipeline: string;
  /** Where an input lies that this run begins with, such as that of a run to do again. */
  inputPath?: string;
  onClose: () => void;
}

/** Starts a run with a JSON input. */
export function TriggerDialog({ pipeline, inputPath, onClose }: Props) {
  const navigate = useNavigate();
  const last = useQuery({ ...runsQuery({ pipelineId: pipeline, limit: 1 }), enabled: inputPath === undefined });
  const from = inputPath ?? last.data?.runs[0]?.inputPath ?? "";
  const example = useQuery({ ...objectQuery(from), enabled: from !== "", retry: false });
  const [text, setText] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const input = text ?? "{}";
  const offered = example.data && !example.data.cut ? prettyJSON(example.data.text) : null;

  // A run again begins with what it had; typing is never overwritten.
  useEffect(() => {
    if (inputPath !== undefined && offered !== null) setText((now) => now ?? offered);
  }, [inputPath, offered]);

  const start = useMutation({
    mutationFn: (value: unknown) => trigger(pipeline, value),
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
  const submit = (e: FormEvent) => {
    e.preventDefault();
    const found = jsonProblem(input);
    setProblem(found);
    if (found === null) start.mutate(parseJSON(input));
  };
  const compact = jsonProblem(input) === null ? compactJSON(input) : "{}";
  return (
    <Dialog kind="wide" title={`Run ${pipeline}`} onClose={onClose}>
      <form onSubmit={submit} className="flex min-h-0 flex-col" noValidate>
        <div className="space-y-3 overflow-y-auto px-4 py-4">
          <div className="flex items-end justify-between gap-3">
            <label htmlFor="input" className="font-medium">
              Input, as JSON
            </label>
            {offered !== null && offered !== text && (
              <Button size="sm" variant="ghost" onClick={() => setText(offered)}>
                {inputPath ? "Back to that run's input" : "Use the last run's input"}
              </Button>
            )}
          </div>
          <textarea
            id="input"
            data-autofocus
            rows={9}
            spellCheck={false}
            className="field w-full font-mono text-sm"
            value={input}
            onChange={(e) => {
              setText(e.target.value);
              setProblem(null);
            }}
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
          {start.isError && (
            <p role="alert" className="text-sm text-bad">
              The run was not started. {describe(start.error)}
            </p>
          )}
          <details>
            <summary className="text-sm text-muted">The same from a terminal</summary>
            <div className="pt-2">
              <Command text={`pipeweave trigger ${shellQuote(pipeline)} --input ${shellQuote(compact)} --wait`} />
            </div>
          </details>
        </div>
        <footer className="flex justify-end gap-2 border-t border-line px-4 py-3">
          <Button onClick={onClose}>Close</Button>
          <Button type="submit" variant="primary" icon={Play} pending={start.isPending}>
            Start the run
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}

const sentence = (list: FieldError[] | null) => (list ?? []).map((e) => `${e.field} ${e.message}`).join(", ");
