import type { LucideIcon } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { Button, IconButton } from "./button.tsx";

export interface MenuItem {
  label: string;
  icon?: LucideIcon;
  /** Says why an item cannot be chosen now, or more about it. */
  note?: string;
  disabled?: boolean;
  danger?: boolean;
  run: () => void;
}

interface Props {
  label: string;
  items: (MenuItem | null)[];
  icon?: LucideIcon;
  /** Shown on the button; without it the button is the icon alone. */
  children?: ReactNode;
  disabled?: boolean;
  align?: "start" | "end";
}

/**
 * A button that opens a list of actions, by the pattern of the ARIA practices: arrows, Home, End, a first letter, Escape.
 * It uses the browser's popover, so it lies above everything and nothing clips it.
 */
export function Menu({ label, items, icon: Icon, children, disabled, align = "end" }: Props) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const shown = items.filter((item) => item !== null);

  useEffect(() => {
    const popover = list.current;
    if (!open || !popover) return;
    popover.showPopover();
    place(popover, button.current, align);
    popover.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const close = () => setOpen(false);
    // Only what moves the button leaves the list behind: a log that follows its end scrolls all the time.
    const onScroll = (event: Event) => {
      if (event.target instanceof Node && event.target.contains(button.current)) close();
    };
    window.addEventListener("resize", close);
    window.addEventListener("scroll", onScroll, true);
    return () => {
      window.removeEventListener("resize", close);
      window.removeEventListener("scroll", onScroll, true);
    };
  }, [open, align]);

  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const all = [...(list.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const go = (to: number) => all[(to + all.length) % all.length]?.focus();
    if (event.key === "ArrowDown") go(at + 1);
    else if (event.key === "ArrowUp") go(at - 1);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(-1);
    else if (event.key === "Escape" || event.key === "Tab") close();
    else if (event.key.length === 1) {
      const letter = event.key.toLowerCase();
      const next = [...all.slice(at + 1), ...all].find((item) => item.textContent?.toLowerCase().startsWith(letter));
      next?.focus();
      return;
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const trigger = {
    ref: button,
    disabled: disabled || shown.length === 0,
    "aria-haspopup": "menu" as const,
    "aria-expanded": open,
    "aria-controls": open ? id : undefined,
    onClick: () => setOpen(!open),
  };
  return (
    <>
      {children === undefined && Icon ? (
        <IconButton {...trigger} icon={Icon} label={label} />
      ) : (
        <Button {...trigger} {...(Icon ? { icon: Icon } : {})} size="sm" aria-label={label}>
          {children}
        </Button>
      )}
      {open && (
        <div
          ref={list}
          id={id}
          role="menu"
          tabIndex={-1}
          aria-label={label}
          popover="auto"
          onKeyDown={onKeyDown}
          onToggle={(event) => {
            if (event.newState === "closed") setOpen(false);
          }}
          className="fixed m-0 max-h-80 w-max max-w-72 overflow-y-auto rounded-lg border border-line bg-surface p-1 text-text shadow-raised"
        >
          {shown.map((item) => (
            <button
              key={item.label}
              type="button"
              role="menuitem"
              tabIndex={-1}
              aria-disabled={item.disabled || undefined}
              onClick={() => {
                if (item.disabled) return;
                close();
                item.run();
              }}
              className={`flex w-full items-start gap-2 rounded-md px-2.5 py-1.5 text-left hover:bg-sunken focus:bg-sunken focus-visible:outline-offset-[-2px] aria-disabled:cursor-not-allowed aria-disabled:text-muted ${item.danger ? "text-bad" : ""}`}
            >
              {item.icon && <item.icon aria-hidden className="mt-0.5 size-4 shrink-0" />}
              <span className="min-w-0">
                {item.label}
                {item.note && <span className="block text-sm text-muted">{item.note}</span>}
              </span>
            </button>
          ))}
        </div>
      )}
    </>
  );
}

/** Puts a popover below its button, or above where there is more room, inside the window. */
function place(popover: HTMLElement, button: HTMLElement | null, align: "start" | "end"): void {
  if (!button) return;
  const gap = 4;
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = popover;
  const below = at.bottom + gap + height <= window.innerHeight || at.top < height;
  const left = align === "end" ? at.right - width : at.left;
  popover.style.top = `${below ? at.bottom + gap : at.top - gap - height}px`;
  popover.style.left = `${Math.max(gap, Math.min(left, window.innerWidth - width - gap))}px`;
}
