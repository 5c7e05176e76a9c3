import { FileUp, X } from "lucide-react";
import { useEffect, useId, useRef, useState } from "react";
import { bytes } from "../../lib/format.ts";
import { Button, IconButton } from "../../ui/button.tsx";
import { describe } from "../../ui/toast.tsx";
import { uploadFile } from "../queries/uploads.ts";
import type { SchemaField } from "./schema.ts";

interface Props {
  field: SchemaField;
  hint: string | undefined;
  error: string | undefined;
  /** The id of the upload; empty: none yet. */
  value: string;
  onChange: (id: string) => void;
}

/** A file for a task: it is uploaded as soon as it is chosen, and the input names it. */
export function UploadField({ field, hint, error, value, onChange }: Props) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const abort = useRef<AbortController | null>(null);
  const [under, setUnder] = useState<{ name: string; size: number; sent: number } | null>(null);
  const [done, setDone] = useState<{ id: string; name: string; size: number } | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  useEffect(() => () => abort.current?.abort(), []);

  const upload = async (file: File) => {
    setFailed(null);
    if (field.maxSize !== undefined && file.size > field.maxSize) {
      setFailed(`${file.name} is ${bytes(file.size)}; at most ${bytes(field.maxSize)} may be sent.`);
      return;
    }
    abort.current?.abort();
    abort.current = new AbortController();
    setUnder({ name: file.name, size: file.size, sent: 0 });
    try {
      const got = await uploadFile(file, abort.current.signal, (sent) =>
        setUnder({ name: file.name, size: file.size, sent }),
      );
      setDone({ id: got.uploadId, name: got.filename, size: got.size });
      onChange(got.uploadId);
    } catch (cause) {
      if (!(cause instanceof DOMException && cause.name === "AbortError")) setFailed(describe(cause));
    } finally {
      setUnder(null);
    }
  };
  const problem = failed ?? error;
  const limits = [field.accept, field.maxSize !== undefined && `at most ${bytes(field.maxSize)}`].filter(Boolean);
  return (
    <div className="space-y-1">
      <label htmlFor={id} className="block text-sm font-medium">
        {field.label}
        {!field.required && <span className="font-normal text-muted"> (optional)</span>}
      </label>
      <input
        ref={input}
        id={id}
        type="file"
        className="sr-only"
        // The button below opens it; by itself it would be a stop of Tab that nobody sees.
        tabIndex={-1}
        accept={field.accept}
        aria-invalid={problem ? true : undefined}
        aria-describedby={`${id}-said`}
        onChange={(e) => {
          const file = e.target.files?.[0];
          e.target.value = "";
          if (file) void upload(file);
        }}
      />
      <div className="flex flex-wrap items-center gap-2">
        <Button size="sm" icon={FileUp} disabled={under !== null} onClick={() => input.current?.click()}>
          {value ? "Choose another file" : "Choose a file"}
        </Button>
        {under ? (
          <span className="flex min-w-0 flex-1 items-center gap-2 text-sm">
            <progress
              className="h-1.5 flex-1"
              max={Math.max(1, under.size)}
              value={under.sent}
              aria-label={`Upload of ${under.name}`}
            />
            <span className="tabular-nums">
              {bytes(under.sent)} of {bytes(under.size)}
            </span>
            <IconButton icon={X} label="Stop the upload" onClick={() => abort.current?.abort()} />
          </span>
        ) : value ? (
          <span className="flex min-w-0 items-center gap-1 text-sm">
            <span className="truncate">{done?.id === value ? `${done.name}, ${bytes(done.size)}` : value}</span>
            <IconButton icon={X} label={`Leave out ${field.label}`} onClick={() => onChange("")} />
          </span>
        ) : null}
      </div>
      <p
        id={`${id}-said`}
        className={`text-sm ${problem ? "text-bad" : "text-muted"}`}
        role={failed ? "alert" : undefined}
      >
        {problem ??
          ([hint, limits.join(", ")].filter(Boolean).join(" ") || "It is uploaded now and kept when the run starts.")}
      </p>
    </div>
  );
}
