import { ArrowDown, ArrowUp } from "lucide-react";
import { isValidElement, type ReactElement } from "react";

/**
 * The head of a table. A column is a word, or a cell of its own where a word says too little; what is false is left out.
 * actions: the last column holds buttons, which need no word above them that is seen.
 */
export function TableHead({
  columns,
  actions = false,
}: {
  columns: (string | false | ReactElement)[];
  actions?: boolean;
}) {
  return (
    <thead>
      <tr>
        {columns.map((column) =>
          isValidElement(column)
            ? column
            : column !== false && (
                <th key={column as string} scope="col">
                  {column}
                </th>
              ),
        )}
        {actions && (
          <th scope="col">
            <span className="sr-only">Actions</span>
          </th>
        )}
      </tr>
    </thead>
  );
}

/** The head of a column by which the rows can be sorted. sorted: the way they are, if they are. */
export function SortHead({
  label,
  sorted,
  onSort,
}: {
  label: string;
  sorted: "ascending" | "descending" | undefined;
  /** Without it the order is chosen elsewhere. */
  onSort?: () => void;
}) {
  const Icon = sorted === "descending" ? ArrowDown : ArrowUp;
  const shown = (
    <>
      {label}
      {sorted && <Icon aria-hidden className="size-3" />}
    </>
  );
  return (
    <th scope="col" aria-sort={sorted}>
      {onSort ? (
        <button
          type="button"
          onClick={onSort}
          className="-mx-1 inline-flex min-h-6 items-center gap-1 rounded-sm px-1 hover:text-text"
        >
          {shown}
        </button>
      ) : (
        <span className="inline-flex items-center gap-1">{shown}</span>
      )}
    </th>
  );
}
