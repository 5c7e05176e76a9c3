import { memo, useMemo, useState } from "react";
import { count } from "../lib/format.ts";
import { CopyButton } from "../ui/copy.tsx";
import { LogTime } from "../ui/time.tsx";
import type { Line } from "./source.ts";
import { type Piece, pieces, plain, shownLength } from "./text.ts";

interface Props {
  line: Line;
  find: RegExp | null;
  wrap: boolean;
  times: boolean;
  selected: boolean;
  /** It has a button that copies it; not every line, because a thousand buttons make scrolling slow. */
  copyable: boolean;
  /** Its place was chosen, with Shift down to extend what is. */
  onPick: (pos: number, extend: boolean) => void;
}

const marks: Record<Line["mark"], string> = {
  out: "text-muted",
  err: "text-bad",
  debug: "text-muted",
  info: "text-muted",
  warn: "text-warn",
  error: "text-bad",
};

/** One line: its time, which leads to it, what wrote it, and its text. */
export const LogRow = memo(function LogRow({ line, find, wrap, times, selected, copyable, onPick }: Props) {
  const [whole, setWhole] = useState(false);
  const long = line.text.length > shownLength;
  const text = long && !whole ? line.text.slice(0, shownLength) : line.text;
  const parts = useMemo(() => pieces(text, find), [text, find]);
  return (
    <div
      data-selected={selected || undefined}
      className={`flex gap-3 px-4 hover:bg-sunken data-selected:bg-sunken data-selected:shadow-[inset_3px_0_var(--accent)] ${wrap ? "whitespace-pre-wrap" : "whitespace-pre"}`}
    >
      <button
        type="button"
        tabIndex={-1}
        title="Link to this line; with Shift, to all lines up to it"
        onClick={(event) => onPick(line.pos, event.shiftKey)}
        className="shrink-0 self-start text-muted select-none hover:underline"
      >
        {times && line.at !== null ? <LogTime ms={line.at} /> : <span aria-hidden>#</span>}
      </button>
      <span className={`w-9 shrink-0 select-none ${marks[line.mark]}`}>{line.mark}</span>
      {/* A line of another direction must not move its neighbours. */}
      <bdi className="min-w-0 flex-1">
        {parts.map((piece, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a line does not change
          <Part key={i} piece={piece} />
        ))}
        {long && (
          <button type="button" className="link ml-2 font-sans text-xs" onClick={() => setWhole(!whole)}>
            {whole ? "show less" : `show ${count(line.text.length - shownLength, "more character")}`}
          </button>
        )}
      </bdi>
      {copyable && (
        <CopyButton text={plain(line.text)} label="Copy line" className="sticky right-1 -my-0.5 -ml-9 bg-sunken" />
      )}
    </div>
  );
});

function Part({ piece }: { piece: Piece }) {
  const style = {
    color: piece.color ?? undefined,
    background: piece.background ?? undefined,
    opacity: piece.dim ? 0.75 : undefined,
  };
  const look = [piece.bold && "font-semibold", piece.italic && "italic", piece.underline && "underline"];
  const className = look.filter(Boolean).join(" ") || undefined;
  const body = piece.found ? <mark className="rounded-xs bg-warn text-surface">{piece.text}</mark> : piece.text;
  if (piece.href) {
    return (
      <a
        href={piece.href}
        target="_blank"
        rel="noopener noreferrer"
        className={`underline ${className ?? ""}`}
        style={style}
      >
        {body}
      </a>
    );
  }
  if (!className && !piece.color && !piece.background && !piece.dim) return body;
  return (
    <span className={className} style={style}>
      {body}
    </span>
  );
}
