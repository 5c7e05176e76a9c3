const numbers = /^v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?/;

/** Whether a version is older than another. Of what does not read as a version, nothing is said. */
export function isBehind(version: string | null | undefined, newest: string | null | undefined): boolean {
  const mine = numbers.exec(version ?? "");
  const theirs = numbers.exec(newest ?? "");
  if (!mine || !theirs) return false;
  for (const i of [1, 2, 3]) {
    const gap = Number(mine[i]) - Number(theirs[i]);
    if (gap !== 0) return gap < 0;
  }
  // 1.0.0-rc.1 comes before 1.0.0; between two of them the words decide.
  if (mine[4] === undefined || theirs[4] === undefined) return mine[4] !== undefined && theirs[4] === undefined;
  return mine[4].localeCompare(theirs[4], "en", { numeric: true }) < 0;
}
