/** Hands the reader a file. */
export function saveFile(name: string, content: string | Blob): void {
  const blob = typeof content === "string" ? new Blob([content], { type: "text/plain;charset=utf-8" }) : content;
  const url = URL.createObjectURL(blob);
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  // The download holds the blob from here on; the address may go once it has begun.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
