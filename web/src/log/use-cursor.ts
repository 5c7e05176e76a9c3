import { useCallback, useRef, useState } from "react";
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
  const last = useRef<number | null>(null);
  const to = useCallback((pos: number | null, byKeys: boolean) => setAt({ pos, byKeys }), []);
  const pick = useCallback(
    (pos: number, extend: boolean, from = pos) => {
      if (extend) {
        last.current = picked ? anchorOf(picked, last.current) : from;
        onPick(between(last.current, pos));
      } else {
        last.current = pos;
        onPick(picked?.from === pos && picked.to === pos ? null : between(pos, pos));
      }
    },
    [picked, onPick],
  );
  return { ...at, to, pick };
}
