import { useCallback, useLayoutEffect, useRef, useState } from "react";
import { anchorOf, between, type Picked } from "./picked.ts";

/** The line that keys go from, and that is picked with them. */
export interface Cursor {
  pos: number | null;
  /** It was moved by keys last, so that it has to be seen where it is. */
  byKeys: boolean;
  to: (pos: number | null, byKeys: boolean) => void;
  /** Picks a line alone, or lets it go; with extend, all lines up to it, from where the range that is picked began or else from. */
  pick: (pos: number, extend: boolean, from?: number) => void;
}

/** A link that was opened leads the keys to where it leads. */
export function useCursor(picked: Picked | null, onPick: (picked: Picked | null) => void): Cursor {
  const [at, setAt] = useState({ pos: picked?.from ?? null, byKeys: false });
  const to = useCallback((pos: number | null, byKeys: boolean) => setAt({ pos, byKeys }), []);
  // What is picked stands in an address, which may take longer to change than the next key.
  const latest = useRef(picked);
  useLayoutEffect(() => {
    latest.current = picked;
  }, [picked]);
  const began = useRef<number | null>(null);
  const pick = useCallback(
    (pos: number, extend: boolean, from = pos) => {
      const before = latest.current;
      if (extend) began.current = before ? anchorOf(before, began.current) : from;
      else began.current = pos;
      const again = !extend && before?.from === pos && before.to === pos;
      latest.current = again ? null : between(began.current, pos);
      onPick(latest.current);
    },
    [onPick],
  );
  return { ...at, to, pick };
}
