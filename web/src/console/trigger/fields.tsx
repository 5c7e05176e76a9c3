import { Plus, X } from "lucide-react";
import { useState } from "react";
import type { Json } from "../../api/types.ts";
import { jsonProblem, parseJSON } from "../../lib/json.ts";
import { Button, IconButton } from "../../ui/button.tsx";
import { AreaField, CheckField, SelectField, TextField } from "../../ui/field.tsx";
import { asMembers, initial, isShown, type SchemaField, withMember } from "./schema.ts";
import { UploadField } from "./upload-field.tsx";

interface Of<Value> {
  value: Value;
  onChange: (value: Value) => void;
}

interface Common {
  errors: Map<string, string>;
  /** Where it lies in the input: "rows.0.". */
  path: string;
}

/** The fields of an object, those that are asked for now. */
export function Fields({
  fields,
  value,
  onChange,
  ...common
}: { fields: SchemaField[] } & Of<{ [name: string]: Json }> & Common) {
  return (
    <div className="space-y-3.5">
      {fields
        .filter((f) => isShown(f, value))
        .map((f) => (
          <FieldOf
            key={f.name}
            field={f}
            value={value[f.name]}
            onChange={(next) => onChange(withMember(value, f.name, next))}
            errors={common.errors}
            path={common.path + f.name}
          />
        ))}
    </div>
  );
}

type FieldProps = { field: SchemaField } & Of<Json | undefined> & Common;

const htmlTypes: Record<string, string> = { email: "email", url: "url", date: "date", datetime: "datetime-local" };

function FieldOf(props: FieldProps) {
  const { field, value, onChange, errors, path } = props;
  const hint = [field.description, field.helpText].filter(Boolean).join(" ") || undefined;
  const shared = {
    label: field.label,
    hint,
    error: errors.get(path),
    ...(field.required ? {} : { optional: true }),
    name: path,
  };
  const text = typeof value === "string" ? value : value === undefined || value === null ? "" : String(value);
  // What was emptied is absent, not an empty text: an absent optional field is not checked.
  const put = (typed: string) => onChange(typed === "" ? undefined : typed);
  switch (field.type) {
    case "string":
    case "email":
    case "url":
    case "date":
    case "datetime":
      return (
        <TextField
          {...shared}
          type={htmlTypes[field.type] ?? "text"}
          placeholder={field.placeholder}
          value={text}
          onChange={(e) => put(e.target.value)}
        />
      );
    case "textarea":
      return (
        <AreaField {...shared} placeholder={field.placeholder} value={text} onChange={(e) => put(e.target.value)} />
      );
    case "number":
    case "integer":
      return <NumberField {...props} shared={shared} />;
    case "boolean":
      return field.required ? (
        <CheckField
          label={field.label}
          hint={errors.get(path) ?? hint}
          checked={value === true}
          onChange={(e) => onChange(e.target.checked)}
        />
      ) : (
        <SelectField
          {...shared}
          value={value === true ? "true" : value === false ? "false" : ""}
          onChange={(e) => onChange(e.target.value === "" ? undefined : e.target.value === "true")}
        >
          <option value="">not said</option>
          <option value="true">yes</option>
          <option value="false">no</option>
        </SelectField>
      );
    case "select":
      return (
        <SelectField
          {...shared}
          value={value === undefined ? "" : JSON.stringify(value)}
          onChange={(e) => onChange(e.target.value === "" ? undefined : (parseJSON(e.target.value) as Json))}
        >
          <option value="">{field.placeholder || "Choose…"}</option>
          {field.options.map((o) => (
            <option key={JSON.stringify(o.value)} value={JSON.stringify(o.value)}>
              {o.label}
            </option>
          ))}
        </SelectField>
      );
    case "multiselect":
      return <Several {...props} hint={hint} />;
    case "file":
      return <UploadField field={field} hint={hint} error={errors.get(path)} value={text} onChange={put} />;
    case "array":
      return <Items {...props} hint={hint} />;
    case "object":
      return (
        <fieldset className="rounded-md border border-line p-3">
          <legend className="px-1 text-sm font-medium">{field.label}</legend>
          {hint && <p className="mb-2 text-sm text-muted">{hint}</p>}
          <Problem text={errors.get(path)} />
          <Fields
            fields={field.properties}
            value={asMembers(value)}
            onChange={onChange}
            errors={errors}
            path={`${path}.`}
          />
        </fieldset>
      );
    default:
      return <JSONField {...props} shared={shared} />;
  }
}

interface Shared {
  label: string;
  hint: string | undefined;
  error: string | undefined;
  optional?: boolean;
}

/** What was typed stays, even where it is no number (yet); a number goes into the input as one. */
function NumberField({ field, value, onChange, shared }: FieldProps & { shared: Shared }) {
  const [typed, setTyped] = useState<string | null>(null);
  const whole = field.type === "integer";
  const known = value === undefined ? "" : String(value);
  const text =
    typed !== null && (typed.trim() === "" ? value === undefined : String(readNumber(typed)) === known) ? typed : known;
  const limits = [
    field.min !== undefined && `at least ${field.min}`,
    field.max !== undefined && `at most ${field.max}`,
    whole && "a whole number",
  ].filter(Boolean);
  return (
    <TextField
      {...shared}
      hint={shared.hint ?? (limits.length > 0 ? limits.join(", ") : undefined)}
      inputMode={whole ? "numeric" : "decimal"}
      placeholder={field.placeholder}
      value={text}
      onChange={(e) => {
        setTyped(e.target.value);
        onChange(e.target.value.trim() === "" ? undefined : readNumber(e.target.value));
      }}
    />
  );
}

/** A number, or the text as it is, for the server to say what is wrong with it. */
function readNumber(text: string): Json {
  return jsonProblem(text) === null && /^\s*-?\d/.test(text) ? (parseJSON(text) as Json) : text;
}

function Several({ field, value, onChange, errors, path, hint }: FieldProps & { hint: string | undefined }) {
  const chosen = Array.isArray(value) ? value.map((v) => JSON.stringify(v)) : [];
  const wrong = [...errors].filter(([at]) => at === path || at.startsWith(`${path}.`)).map(([, said]) => said);
  return (
    <fieldset className="space-y-1.5">
      <legend className="text-sm font-medium">
        {field.label}
        {!field.required && <span className="font-normal text-muted"> (optional)</span>}
      </legend>
      {hint && <p className="text-sm text-muted">{hint}</p>}
      {field.options.map((o) => {
        const text = JSON.stringify(o.value);
        return (
          <CheckField
            key={text}
            label={o.label}
            checked={chosen.includes(text)}
            onChange={(e) => {
              const next = field.options
                .filter((other) => (other === o ? e.target.checked : chosen.includes(JSON.stringify(other.value))))
                .map((other) => other.value);
              onChange(next.length > 0 || field.required ? next : undefined);
            }}
          />
        );
      })}
      <Problem text={wrong.join("; ") || undefined} />
    </fieldset>
  );
}

function Items({ field, value, onChange, errors, path, hint }: FieldProps & { hint: string | undefined }) {
  const rows = Array.isArray(value) ? value : [];
  const item = field.items;
  const set = (next: Json[]) => onChange(next.length > 0 || field.required ? next : undefined);
  if (!item) return null;
  return (
    <fieldset className="space-y-2 rounded-md border border-line p-3">
      <legend className="px-1 text-sm font-medium">
        {field.label}
        {!field.required && <span className="font-normal text-muted"> (optional)</span>}
      </legend>
      {hint && <p className="text-sm text-muted">{hint}</p>}
      <Problem text={errors.get(path)} />
      {rows.map((row, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the place is all that an element has of its own
        <div key={i} className="flex items-start gap-2">
          <div className="min-w-0 flex-1">
            <FieldOf
              field={{ ...item, label: `${item.label || field.label} ${i + 1}`, required: true }}
              value={row}
              onChange={(next) => set(rows.map((r, j) => (j === i ? (next ?? null) : r)))}
              errors={errors}
              path={`${path}.${i}`}
            />
          </div>
          <IconButton
            icon={X}
            label={`Remove ${field.label} ${i + 1}`}
            onClick={() => set(rows.filter((_, j) => j !== i))}
          />
        </div>
      ))}
      <Button size="sm" icon={Plus} onClick={() => set([...rows, blank(item)])}>
        Add
      </Button>
    </fieldset>
  );
}

function blank(item: SchemaField): Json {
  if (item.default !== undefined) return item.default;
  switch (item.type) {
    case "object":
      return initial(item.properties);
    case "array":
    case "multiselect":
      return [];
    case "boolean":
      return false;
    case "number":
    case "integer":
    case "json":
      return null;
    default:
      return "";
  }
}

function JSONField({ value, onChange, shared }: FieldProps & { shared: Shared }) {
  const [typed, setTyped] = useState(() => (value === undefined ? "" : JSON.stringify(value, null, 2)));
  const problem = typed.trim() === "" ? null : jsonProblem(typed);
  return (
    <AreaField
      {...shared}
      hint={shared.hint ?? "Any JSON"}
      error={problem ? `This is not JSON: ${problem}` : shared.error}
      spellCheck={false}
      className="font-mono text-sm"
      value={typed}
      onChange={(e) => {
        setTyped(e.target.value);
        if (e.target.value.trim() === "") onChange(undefined);
        // Until it is JSON it goes as text, which the server refuses where that matters.
        else onChange(jsonProblem(e.target.value) === null ? (parseJSON(e.target.value) as Json) : e.target.value);
      }}
    />
  );
}

function Problem({ text }: { text: string | undefined }) {
  return text ? <p className="text-sm text-bad">{text}</p> : null;
}
