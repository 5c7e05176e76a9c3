import { useEffect } from "react";
import { announce } from "../ui/toast.tsx";

let first = true;

/**
 * The title of the page, in the tab; and said to screen readers when one comes from another page. It is said by the page
 * itself, because the address changes before the page does.
 */
export function usePageTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} – Pipeweave`;
    // After a real load the browser says it.
    if (!first) announce(title);
    first = false;
  }, [title]);
}
