import type { ComponentProps } from "react";

// Rows and cells for ears. They are no table, because only a part of the lines is there and each stands at a place of its own;
// and none of them takes the focus, which stays on the grid and points at a row.

export function Row(props: ComponentProps<"div">) {
  // biome-ignore lint/a11y: see above
  return <div role="row" {...props} />;
}

export function Cell(props: ComponentProps<"span">) {
  // biome-ignore lint/a11y: see above
  return <span role="gridcell" {...props} />;
}
