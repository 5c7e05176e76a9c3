import { memo, useMemo } from "react";
import { count } from "../lib/format.ts";
import { CopyButton } from "../ui/copy.tsx";
import { LogTime } from "../ui/time.tsx";
import { Cell, Row } from "./grid.tsx";
import { Mark } from "./mark.tsx";
import type { Line } from "./source.ts";
import { isCut, type Piece, pieces, plain, shownLength } from "./text.ts";

interface Props {
  line: Line;
  /** Of the row in the page, so that the list can say which row is meant. */
  id: string;
  /** The number of the row, where it is known. */
  nth: number | undefined;
  find: RegExp | null;
  wrap: boolean;
  times: boolean;
  selected: boolean;
  /** The keys go from here: Tab leads to what is in the line, which is passed by in all others. */
  active: boolean;
  /** A line that is cut is shown whole. */
  whole: boolean;
  onWhole: (pos: number) => void;
  /** It has a button that copies it; not every line, because a thousand buttons make scrolling slow. */
  copyable: boolean;
  /** Its place was chosen, with Shift down to extend what is. */
  onPick: (pos: number, extend: boolean) => void;
}

/** One line: its time, which leads to it, what wrote it, and its text. */
export const LogRow = memo(function LogRow(props: Props) {
  const { line, id, nth, find, wrap, times, selected, active, whole, onWhole, copyable, onPick } = props;
  const long = isCut(line);
  const text = long && !whole ? line.text.slice(0, shownLength) : line.text;
  const parts = useMemo(() => pieces(text, find), [text, find]);
  const stop = active ? 0 : -1;
  return (
    <Row
      id={id}
      aria-rowindex={nth}
      aria-selected={selected}
      data-selected={selected || undefined}
      data-active={active || undefined}
      className={`flex gap-2 px-2 -outline-offset-2 hover:bg-sunken data-selected:bg-[color-mix(in_srgb,var(--accent)_9%,var(--bg))] data-selected:shadow-[inset_3px_0_var(--accent)] sm:gap-3 sm:px-4 group-focus:group-data-keys:data-active:outline-2 group-focus:group-data-keys:data-active:outline-accent ${wrap ? "whitespace-pre-wrap" : "whitespace-pre"}`}
    >
      <Cell className="shrink-0 self-start">
        <button
          type="button"
          data-place
          tabIndex={-1}
          title="Pick this line; with Shift, all lines up to it"
          onClick={(event) => onPick(line.pos, event.shiftKey)}
          className="text-muted select-none hover:underline"
        >
          {times && line.at !== null ? <LogTime ms={line.at} /> : <span aria-hidden>#</span>}
        </button>
      </Cell>
      <Cell className="shrink-0">
        <Mark of={line.mark} />
      </Cell>
      <Cell className="min-w-0 flex-1">
        {/* A line of another direction must not move its neighbours. */}
        <bdi>
          {parts.map((piece, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a line does not change
            <Part key={i} piece={piece} stop={stop} />
          ))}
          {long && (
            <button
              type="button"
              tabIndex={stop}
              className="link ml-2 font-sans text-xs"
              onClick={() => onWhole(line.pos)}
            >
              {whole ? "show less" : `show ${count(line.text.length - shownLength, "more character")}`}
            </button>
          )}
        </bdi>
      </Cell>
      {copyable && (
        <Cell className="sticky right-1 my-0.5 -ml-9 flex h-4 items-center rounded-sm bg-sunken">
          <CopyButton text={plain(line.text)} label="Copy line" />
        </Cell>
      )}
    </Row>
  );
});

function Part({ piece, stop }: { piece: Piece; stop: 0 | -1 }) {
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
        tabIndex={stop}
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
