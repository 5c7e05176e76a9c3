import { type ComponentProps, type ReactNode, useEffect, useId, useRef, useState } from "react";

interface FieldProps {
  label: string;
  hint?: ReactNode;
  /** What is wrong with it; the field is marked invalid. */
  error?: string | undefined;
  optional?: boolean;
  children: (props: {
    id: string;
    "aria-describedby": string | undefined;
    "aria-invalid": true | undefined;
  }) => ReactNode;
}

/** A labelled control with what helps to fill it in and what is wrong with it. */
export function Field({ label, hint, error, optional, children }: FieldProps) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div className="space-y-1">
      <label htmlFor={id} className="block text-sm font-medium">
        {label}
        {optional && <span className="font-normal text-muted"> (optional)</span>}
      </label>
      {children({ id, "aria-describedby": described || undefined, "aria-invalid": error ? true : undefined })}
      {hint && (
        <p id={`${id}-hint`} className="text-sm text-muted">
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className="text-sm text-bad">
          {error}
        </p>
      )}
    </div>
  );
}

type TextProps = Omit<FieldProps, "children"> & Omit<ComponentProps<"input">, "id" | "children">;

/** One line of text. */
export function TextField({ label, hint, error, optional, className = "", ...rest }: TextProps) {
  return (
    <Field label={label} hint={hint} error={error} {...(optional ? { optional } : {})}>
      {(props) => <input type="text" {...rest} {...props} className={`field w-full ${className}`} />}
    </Field>
  );
}

type AreaProps = Omit<FieldProps, "children"> & Omit<ComponentProps<"textarea">, "id" | "children">;

/** Several lines of text. */
export function AreaField({ label, hint, error, optional, className = "", ...rest }: AreaProps) {
  return (
    <Field label={label} hint={hint} error={error} {...(optional ? { optional } : {})}>
      {(props) => <textarea rows={4} {...rest} {...props} className={`field w-full ${className}`} />}
    </Field>
  );
}

type SelectProps = Omit<FieldProps, "children"> & Omit<ComponentProps<"select">, "id">;

/** One of several choices. */
export function SelectField({ label, hint, error, optional, className = "", children, ...rest }: SelectProps) {
  return (
    <Field label={label} hint={hint} error={error} {...(optional ? { optional } : {})}>
      {(props) => (
        <select {...rest} {...props} className={`field w-full ${className}`}>
          {children}
        </select>
      )}
    </Field>
  );
}

/** A choice of a filter row: its label is read, not seen. */
export function FilterSelect({
  label,
  value,
  onChange,
  first,
  children,
}: {
  label: string;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
  /** The one that "/" goes to. */
  first?: boolean;
  children: ReactNode;
}) {
  return (
    <label className="max-sm:grow max-sm:basis-32">
      <span className="sr-only">{label}</span>
      <select
        data-search={first ? "" : undefined}
        className="field min-h-9 max-sm:w-full sm:max-w-44"
        value={value ?? ""}
        onChange={(e) => onChange(e.target.value || undefined)}
      >
        {children}
      </select>
    </label>
  );
}

const spans: [number, string][] = [
  [1, "Last hour"],
  [24, "Last day"],
  [168, "Last week"],
  [720, "Last 30 days"],
];

/** How far back a list goes, in hours. */
export function SpanSelect({
  label,
  hours,
  onChange,
}: {
  label: string;
  hours: number | undefined;
  onChange: (hours: number | undefined) => void;
}) {
  return (
    <FilterSelect label={label} value={hours?.toString()} onChange={(h) => onChange(h ? Number(h) : undefined)}>
      <option value="">Any time</option>
      {spans.map(([value, name]) => (
        <option key={value} value={value}>
          {name}
        </option>
      ))}
    </FilterSelect>
  );
}

/** Yes or no. */
export function CheckField({ label, hint, ...rest }: { label: ReactNode; hint?: ReactNode } & ComponentProps<"input">) {
  const id = useId();
  return (
    <div className="flex items-start gap-2">
      <input
        {...rest}
        type="checkbox"
        id={id}
        aria-describedby={hint ? `${id}-hint` : undefined}
        className="mt-0.5 size-4 shrink-0 accent-accent"
      />
      <div>
        <label htmlFor={id}>{label}</label>
        {hint && (
          <p id={`${id}-hint`} className="text-sm text-muted">
            {hint}
          </p>
        )}
      </div>
    </div>
  );
}

/** Free text of a filter row. What is typed counts after a short rest, or at once with Enter. */
export function FilterText({
  label,
  placeholder = label,
  value,
  onChange,
  first,
  short,
}: {
  label: string;
  /** Where the label is too long to be seen. */
  placeholder?: string;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
  /** The one that "/" goes to. */
  first?: boolean;
  /** What is typed is a word at most. */
  short?: boolean;
}) {
  const [typed, setTyped] = useState(value ?? "");
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const told = useRef(value ?? "");
  // The address changed by itself: going back, or clearing the filters.
  if ((value ?? "") !== told.current) {
    told.current = value ?? "";
    setTyped(told.current);
  }
  useEffect(() => () => clearTimeout(timer.current), []);
  const tell = (text: string) => {
    clearTimeout(timer.current);
    told.current = text.trim();
    onChange(text.trim() || undefined);
  };
  return (
    <label className={short ? "max-sm:grow max-sm:basis-32" : "max-sm:w-full"}>
      <span className="sr-only">{label}</span>
      <input
        type="search"
        data-search={first ? "" : undefined}
        className={`field min-h-9 max-sm:w-full ${short ? "sm:w-28" : "sm:w-56"}`}
        placeholder={placeholder}
        spellCheck={false}
        value={typed}
        onChange={(e) => {
          const text = e.target.value;
          setTyped(text);
          clearTimeout(timer.current);
          timer.current = setTimeout(() => tell(text), 250);
        }}
        onKeyDown={(e) => e.key === "Enter" && tell(typed)}
      />
    </label>
  );
}
