// Names and texts that would break a page that trusts them, put in the place of a fake's tame ones.
const bad = [
  '<img src=x onerror="window.hacked=1">',
  "<script>window.hacked=1</script>",
  "\u202Etxt.exe\u202C", // the right-to-left override
  "\u200B\u200D\uFEFF", // of no width
  "\u0639\u0631\u0628\u064A",
  "👩‍👩‍👧‍👦🏳️‍🌈",
  `"'&amp;{{7*7}}\${7*7}javascript:alert(1)`,
].join(" ");

/** An id or a name, as long as one may be; n keeps two of them apart. */
const name = (n) => `${n}${bad} ${"endless".repeat(20)}`;
/** A text of ten thousand characters without a space, after some that bite. */
const text = (n) => `${n}${bad}\n\n\t${bad}\n${"x".repeat(10_000)}`;

const names = {
  daemon: ["image-resizer", "pdf-processor", "mailer", "archiver", "build-07", "worker.box.json", "text layer"],
  plane: ["pdf-processor", "extract-tables", "extract-text", "build-07", "mac-02", "bootstrap admin", "large.txt"],
};
const texts = {
  daemon: ["no such file or directory", "exit status 2", "Faster.", "session begins", "connection refused"],
  plane: [
    "is not a stream",
    "under the desk in room 4",
    "Faster claims.",
    "crashes on empty documents",
    "weekly",
    "Reads a PDF and sums up its text and tables.",
    "connection refused",
    "event 1",
  ],
};

/** What a fake that is hostile says instead of its own words, and how it understands what is asked about those. */
export function disguise(which) {
  const pairs = [...names[which].map((tame, i) => [tame, name(i)]), ...texts[which].map((tame, i) => [tame, text(i)])];
  const inJSON = (value) => JSON.stringify(value).slice(1, -1);
  const inQuery = (value) => new URLSearchParams({ v: value }).toString().slice(2);
  const swap = (all, from, to) => pairs.reduce((s, pair) => s.replaceAll(from(pair), to(pair)), all);
  return {
    /** JSON as it goes out. */
    json: (body) =>
      swap(
        body,
        ([tame]) => inJSON(tame),
        ([, wild]) => inJSON(wild),
      ),
    /** An address as it comes in, as the fake knows it. */
    asked: (url) =>
      swap(
        swap(
          url,
          ([, wild]) => encodeURIComponent(wild),
          ([tame]) => encodeURIComponent(tame),
        ),
        ([, wild]) => inQuery(wild),
        ([tame]) => inQuery(tame),
      ),
    /** An address of a page. */
    address: (path) =>
      swap(
        path,
        ([tame]) => tame,
        ([, wild]) => encodeURIComponent(wild),
      ),
    /** Makes a request and what answers it speak so. */
    wrap(req, res) {
      req.url = this.asked(req.url);
      const { end } = res;
      res.end = (body, ...rest) => {
        const json = typeof body === "string" && /^[[{]/.test(body);
        return end.call(res, json ? this.json(body) : body, ...rest);
      };
    },
  };
}
