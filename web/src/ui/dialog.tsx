import { X } from "lucide-react";
import { type ReactNode, useEffect, useId, useRef } from "react";
import { IconButton } from "./button.tsx";

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
  /** Beside the title. */
  aside?: ReactNode;
  kind?: "dialog" | "drawer" | "wide";
}

const shapes = {
  dialog: "m-auto w-[min(32rem,calc(100vw-1.5rem))] max-h-[calc(100dvh-3rem)] rounded-lg border border-line",
  wide: "m-auto w-[min(44rem,calc(100vw-1.5rem))] max-h-[calc(100dvh-3rem)] rounded-lg border border-line",
  drawer: "ml-auto h-dvh max-h-none w-[min(60rem,100vw)] max-w-none border-l border-line",
};

const firstFocus = "[data-autofocus], form :is(input, select, textarea):not([readonly], [disabled])";

/**
 * A modal dialog on the browser's own: it keeps the focus inside, makes the rest of the page inert, closes on Escape and
 * gives the focus back, without a style element that the policy would refuse. Mount it to open it.
 */
export function Dialog({ title, onClose, children, aside, kind = "dialog" }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    if (dialog && !dialog.open) dialog.showModal();
    // The browser would take the first control, which is the one that closes.
    dialog?.querySelector<HTMLElement>(firstFocus)?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the click is on the backdrop; the key for it is Escape
    <dialog
      ref={ref}
      aria-labelledby={id}
      className={`bg-surface shadow-raised ${shapes[kind]}`}
      onCancel={(e) => {
        e.preventDefault();
        onClose();
      }}
      onClick={(e) => {
        if (e.target === e.currentTarget) onClose();
      }}
    >
      <div className={`flex flex-col ${kind === "drawer" ? "h-full" : "max-h-[calc(100dvh-3.2rem)]"}`}>
        <header className="flex items-center gap-3 border-b border-line px-4 py-3">
          <h2 id={id} className="min-w-0 flex-1 truncate text-lg font-semibold">
            {title}
          </h2>
          {aside}
          <IconButton icon={X} label="Close" onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  );
}
