// What a control plane says of dead letters: groups, the letters of one, and which they are.

/** Much the same as the server's: what differs from one case to the next is left out. */
const fingerprint = (error) => error.split("\n", 1)[0].replace(/"[^"]*"|[\d.:]*\d/g, "…");
const groupOf = (l) =>
  Buffer.from(`${l.taskId}\n${fingerprint(l.error)}`)
    .toString("hex")
    .slice(0, 400);

/** The routes that look. */
export function deadLetters(dead) {
  const admitted = (query) =>
    dead()
      .filter(
        (l) =>
          (!query.get("taskId") || l.taskId === query.get("taskId")) &&
          (!query.get("from") || l.failedAt >= query.get("from")) &&
          (!query.get("to") || l.failedAt <= query.get("to")) &&
          (!query.get("pipelineId") || l.pipelineId === query.get("pipelineId")) &&
          (!query.get("group") || groupOf(l) === query.get("group")),
      )
      .sort((a, b) => b.failedAt.localeCompare(a.failedAt));
  return [
    [
      "GET",
      /^\/api\/dlq$/,
      (_, { query }) => {
        const items = admitted(query);
        return { items: items.slice(0, Number(query.get("limit") ?? 100)), total: items.length };
      },
    ],
    [
      "GET",
      /^\/api\/dlq\/groups$/,
      (_, { query }) => {
        const groups = new Map();
        const items = admitted(query);
        for (const l of items) {
          const id = groupOf(l);
          if (!groups.has(id))
            groups.set(id, {
              id,
              taskId: l.taskId,
              fingerprint: fingerprint(l.error),
              count: 0,
              newest: l.failedAt,
              exampleId: l.id,
              error: l.error.slice(0, 500),
            });
          const group = groups.get(id);
          group.count++;
          group.oldest = l.failedAt;
        }
        return {
          groups: [...groups.values()].sort((a, b) => b.count - a.count),
          rest: 0,
          total: items.length,
          asOf: items[0]?.failedAt ?? null,
        };
      },
    ],
    [
      "GET",
      /^\/api\/dlq\/ids$/,
      (_, { query }) => {
        // A page is small here, so that more than one is read.
        const ids = admitted(query).map((l) => l.id);
        const from = Number(query.get("after") ?? 0);
        return { ids: ids.slice(from, from + 50), next: from + 50 < ids.length ? String(from + 50) : null };
      },
    ],
  ];
}
