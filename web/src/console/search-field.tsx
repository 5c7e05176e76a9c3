import { useEffect, useRef, useState } from "react";

const pauseMs = 350;

interface Props {
  label: string;
  placeholder: string;
  value: string | undefined;
  onChange: (text: string | undefined) => void;
  className?: string;
}

/** A text that a list is filtered by: it counts after a pause in the typing, so that not every letter asks the server. */
export function SearchField({ label, placeholder, value, onChange, className = "w-56" }: Props) {
  const [typed, setTyped] = useState(value ?? "");
  const told = useRef(value ?? "");
  const tell = useRef(onChange);
  tell.current = onChange;
  // Going back, or a link, changes what stands there.
  useEffect(() => {
    if ((value ?? "") !== told.current) setTyped(value ?? "");
    told.current = value ?? "";
  }, [value]);
  useEffect(() => {
    if (typed.trim() === told.current) return;
    const timer = setTimeout(() => {
      told.current = typed.trim();
      tell.current(told.current || undefined);
    }, pauseMs);
    return () => clearTimeout(timer);
  }, [typed]);
  return (
    <label>
      <span className="sr-only">{label}</span>
      <input
        data-search
        type="search"
        className={`field max-w-full ${className}`}
        placeholder={placeholder}
        value={typed}
        onChange={(e) => setTyped(e.target.value)}
      />
    </label>
  );
}
