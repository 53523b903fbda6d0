// Words of a query, read as the server reads them (retrieval/words.py).

const plain = (word) => word.normalize("NFC").split(",")
  .map((piece) => piece.split(/\s+/).filter(Boolean).join(" ")).join(", ").trim();
// Upper case first: "ß" and "SS" are the same.
const key = (word) => plain(word).toUpperCase().toLowerCase();

// Whether words, with commas between them, hold a tag without a weight.
export function asksFor(words, tag, tags) {
  const known = new Map([...tags.map((one) => [key(one), one]), ...tags.map((one) => [plain(one), one])]);
  const tagOf = (word) => known.get(plain(word)) ?? known.get(key(word));
  const isTag = (word) => tagOf(word) ?? tagOf(word.replace(/:[^:,]*$/, ""));
  const pieces = words.split(tags.some((one) => one.includes(";")) ? /,/ : /[,;]/);
  for (let first = 0; first < pieces.length;) {
    let end = pieces.length; // of the longest tag that begins here
    while (end > first + 1 && !isTag(pieces.slice(first, end).join(","))) end--;
    if (tagOf(pieces.slice(first, end).join(",")) === tag) return true;
    first = end;
  }
  return false;
}

// The weight at the end of a word, with its colon; "" for none.
export const weightOf = (word) => word.match(/:[-+0-9.eE\s]+$/)?.[0] ?? "";

// Words with a tag, once. It stands in the place of the last if that was typed as its beginning.
export function withTag(words, tag, tags, isTyped) {
  if (asksFor(words, tag, tags)) return words;
  const [, before = "", last] = words.match(/^(.*[,;])?(.*)$/s);
  const begun = last.trim().toLowerCase();
  const isBegun = isTyped && begun && tag.toLowerCase().startsWith(begun)
    && !tags.some((one) => asksFor(last, one, tags));
  if (isBegun) return `${before} ${tag}`.trim();
  return words ? `${words}, ${tag}` : tag;
}
