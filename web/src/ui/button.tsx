import { LoaderCircle, type LucideIcon } from "lucide-react";
import type { ComponentProps } from "react";

type Variant = "primary" | "secondary" | "ghost" | "danger";

const variants: Record<Variant, string> = {
  primary: "border-transparent bg-accent text-on-accent hover:bg-accent-hover",
  secondary: "border-outline bg-surface text-text hover:bg-sunken",
  ghost: "border-transparent bg-transparent text-muted hover:bg-sunken hover:text-text",
  danger: "border-bad bg-surface text-bad hover:bg-sunken",
};

interface ButtonProps extends ComponentProps<"button"> {
  variant?: Variant;
  size?: "md" | "sm";
  icon?: LucideIcon;
  /** The action is under way: says so and cannot be pressed again. */
  pending?: boolean;
}

export function Button({
  variant = "secondary",
  size = "md",
  icon: Icon,
  pending,
  children,
  className = "",
  ...rest
}: ButtonProps) {
  const Shown = pending ? LoaderCircle : Icon;
  const pad = size === "sm" ? "min-h-7 px-2 text-sm" : "min-h-9 px-3 text-base";
  return (
    <button
      type="button"
      {...rest}
      // Not disabled: the browser would take the focus from it, and nobody would give it back.
      aria-disabled={pending || undefined}
      aria-busy={pending || undefined}
      onClick={(event) => {
        if (pending) event.preventDefault();
        else rest.onClick?.(event);
      }}
      className={`inline-flex items-center justify-center gap-1.5 rounded-md border font-medium whitespace-nowrap disabled:cursor-not-allowed disabled:opacity-55 aria-disabled:cursor-not-allowed aria-disabled:opacity-55 ${pad} ${variants[variant]} ${className}`}
    >
      {Shown && <Shown aria-hidden className={`size-4 shrink-0 ${pending ? "spin" : ""}`} />}
      {children}
    </button>
  );
}

/** A button that is only an icon; label is what it is called. */
export function IconButton({
  icon: Icon,
  label,
  className = "",
  ...rest
}: ComponentProps<"button"> & { icon: LucideIcon; label: string }) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      {...rest}
      className={`inline-flex size-8 shrink-0 items-center justify-center rounded-md text-muted hover:bg-sunken hover:text-text disabled:cursor-not-allowed disabled:opacity-55 ${className}`}
    >
      <Icon aria-hidden className="size-4" />
    </button>
  );
}
