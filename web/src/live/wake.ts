interface Wakes {
  wake(): void;
}

/** Looks at a connection at once when the page comes back to life or to the front, and when the network changes. */
export function wakeWithPage(link: Wakes): void {
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") link.wake();
  });
  document.addEventListener("resume", link.wake);
  window.addEventListener("pageshow", link.wake);
  window.addEventListener("online", link.wake);
  window.addEventListener("offline", link.wake);
}
