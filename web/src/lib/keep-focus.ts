const focusable =
  'a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled), textarea:not(:disabled), summary, [tabindex]:not([tabindex="-1"])';

// Where the focus was, from the element outwards: each parent, and which of its children it was in.
let path: { parent: Element; index: number }[] = [];
let last: Element | null = null;

function remember(event: FocusEvent): void {
  if (!(event.target instanceof Element) || event.target === document.body) return;
  last = event.target;
  path = [];
  for (let child = last; child.parentElement; child = child.parentElement)
    path.push({ parent: child.parentElement, index: [...child.parentElement.children].indexOf(child) });
}

/**
 * Somebody who uses the keyboard loses their place when the element that has the focus goes away: a row that was deleted,
 * a button that became another one. The focus goes to what stands in its place then, or to the nearest thing before it.
 */
function rescue(): void {
  if (last === null || document.activeElement !== document.body) return;
  if (last.isConnected && !last.matches(":disabled")) return; // somebody clicked beside it
  last = null;
  for (const { parent, index } of path) {
    if (!parent.isConnected || parent === document.body) continue;
    const children = [...parent.children];
    for (const child of [...children.slice(index), ...children.slice(0, index).reverse()]) {
      const next = child.matches(focusable) ? child : child.querySelector(focusable);
      if (!(next instanceof HTMLElement) || !next.checkVisibility()) continue;
      next.focus({ preventScroll: true });
      return;
    }
  }
  document.getElementById("main")?.focus({ preventScroll: true });
}

/** Starts to look after the focus; once per page. */
export function watchFocus(): void {
  document.addEventListener("focusin", remember);
  // After what changed the page has put the focus where it wants it.
  new MutationObserver(() => last !== null && queueMicrotask(rescue)).observe(document.body, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["disabled"],
  });
}
