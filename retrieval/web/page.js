// The page. What it asks for stands in its address, so that it can be shared and "back" works:
// words, not, like (a song's id, or ID:-1 to keep away from it; may stand several times), top.
// Names are shown by textContent and append alone, which read nothing as HTML.
import { makeMap } from "./map.js";

const byId = (id) => document.getElementById(id);
const asked = () => new URLSearchParams(location.search);
let tags = [];
let map = null;
let answered = []; // labels of the last answer: its words, then its songs
let nAsked = 0; // an answer that comes after a later question is dropped

function make(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function button(label, onclick, about = label) {
  const made = make("button", { type: "button", onclick }, label);
  made.setAttribute("aria-label", about);
  return made;
}

function ask(query) {
  history.pushState(null, "", query.size ? `?${query}` : location.pathname);
  show().then(() => byId("found").focus());
}

function change(edit) {
  const query = asked();
  query.delete("top");
  edit(query);
  ask(query);
}

const askForTag = (tag) => change((query) => {
  const words = (query.get("words") ?? "").trim();
  if (!answered.includes(tag)) query.set("words", words ? `${words}, ${tag}` : tag);
});

// A song is asked for once, whether to be near or to keep away from.
const askForSong = (id, weight) => change((query) => {
  const others = query.getAll("like").filter((like) => like !== id && like !== `${id}:-1`);
  query.delete("like");
  for (const like of [...others, id + weight]) query.append("like", like);
});

// ---------------------------------------------------------------- answers

async function show() {
  const query = asked();
  const number = ++nAsked;
  byId("words").value = query.get("words") ?? "";
  byId("not").value = query.get("not") ?? "";
  const isEmpty = !query.get("words")?.trim() && !query.has("like");
  const answer = isEmpty ? {} : await answerTo(query);
  if (number !== nAsked) return;
  const hits = answer.hits ?? [];
  answered = answer.labels ?? [];
  showAsked(query.getAll("like"), answer.songs ?? []);
  byId("hits").replaceChildren(...hits.map((hit) => hitItem(hit, answer.labels)));
  byId("said").className = answer.error ? "error" : "";
  byId("said").textContent = saidOf(answer, isEmpty);
  byId("try").replaceChildren(...(hits.length ? [] : tags).slice(0, 60)
    .map((tag) => button(tag, () => askForTag(tag))));
  byId("after").hidden = !hits.length;
  byId("more").hidden = hits.length < Number(query.get("top") ?? 10) || hits.length >= 100;
  byId("playlist").hidden = !hits.some((hit) => hit.audio);
  byId("playlist").href = `playlist.m3u8?${query}`;
  document.title = hits.length ? `${answer.labels.join(", ")} – songs` : "Songs by words";
  map?.mark(hits.map((hit) => hit.id));
}

async function answerTo(query) {
  try {
    return await (await fetch(`search?${query}`)).json();
  } catch {
    return { error: "the server does not answer: see whether it is still running" };
  }
}

function saidOf(answer, isEmpty) {
  if (isEmpty) return "Give words, or take a tag:";
  if (answer.error) return `Nothing was searched: ${answer.error}.`;
  const found = answer.hits.length ? `${answer.hits.length} songs` : "No song was found";
  return [`${found} for ${answer.labels.join(", ")}`, ...answer.notes].join(". ") + ".";
}

function showAsked(likes, labels) {
  byId("asked").replaceChildren(...likes.map((like, number) => {
    const label = labels[number] ?? like;
    const remove = () => change((query) => query.delete("like", like));
    return make("li", {}, button(`${label} ✕`, remove, `remove: ${label}`));
  }));
}

function hitItem(hit, labels) {
  const name = [hit.artist, hit.title].filter(Boolean).join(" - ");
  const shown = labels.length > 1 ? hit.by_part.map((score, k) => [labels[k], score]) : [];
  const close = [["similarity", hit.score], ...shown].flatMap(([label, score]) => [
    make("span", {}, `${label} `, make("meter", { min: 0, max: 1, value: score }),
      ` ${score.toFixed(2)}`),
    " ", // where a line may break
  ]);
  return make("li", {},
    make("div", { className: "title" }, name),
    make("div", { className: "tags" }, hit.tags.join(", ")),
    make("div", { className: "close" }, ...close),
    hit.audio ? player(hit.audio, name) : make("p", {}, "no audio file"),
    make("div", { className: "acts" },
      button("more like this", () => askForSong(hit.id, ""), `more like ${name}`),
      button("less like this", () => askForSong(hit.id, ":-1"), `less like ${name}`)));
}

// ---------------------------------------------------------------- sound

function player(address, name) {
  const audio = make("audio", { controls: true, preload: "none", src: address });
  audio.setAttribute("aria-label", name);
  audio.onplay = () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
  };
  audio.onerror = () => audio.after(
    make("p", { role: "alert" }, "The file is missing, or this browser cannot play it."));
  return audio;
}

function playOnMap(id, name) {
  const audio = player(`audio/${encodeURIComponent(id)}`, name);
  byId("playing").replaceChildren(make("p", {}, name), audio,
    button("more like this", () => askForSong(id, ""), `more like ${name}`));
  audio.play().catch(() => {}); // onerror says what is wrong
}

// ---------------------------------------------------------------- the form

// Suggestions go on from the words before the last comma, or before one that a tag may go on from.
function suggest(event) {
  const text = event.target.value;
  const ends = [0, ...[...text.matchAll(/,/g)].map((comma) => comma.index + 1)];
  const wordAt = (end) => text.slice(end).trim().toLowerCase();
  const begins = (end) => tags.some((tag) => tag.toLowerCase().startsWith(wordAt(end)));
  const end = ends.find(begins) ?? ends.at(-1);
  const [before, word] = [text.slice(0, end), wordAt(end)];
  const fitting = tags.filter((tag) => tag.toLowerCase().includes(word)).slice(0, 20);
  byId("tags").replaceChildren(
    ...fitting.map((tag) => make("option", { value: before ? `${before} ${tag}` : tag })));
}

byId("words").oninput = byId("words").onfocus = suggest;
byId("not").oninput = byId("not").onfocus = suggest;
byId("form").onsubmit = (event) => {
  event.preventDefault();
  change((query) => {
    for (const name of ["words", "not"]) {
      if (byId(name).value.trim()) query.set(name, byId(name).value.trim());
      else query.delete(name);
    }
  });
};
byId("more").onclick = () => {
  const query = asked();
  query.set("top", Math.min(100, Number(query.get("top") ?? 10) + 10));
  ask(query);
};
addEventListener("popstate", show);

const about = await (await fetch("about")).json();
tags = about.tags;
byId("about").textContent = `${about.n_songs} songs, ${tags.length} tags` +
  (about.has_audio ? "" : ". The index names no audio file that is there: there are no players");
await show();
map = makeMap(byId("map"), await (await fetch("map")).json(), {
  play: playOnMap,
  askForTag,
  tell: (text) => { byId("here").textContent = text; },
});
for (const [id, act] of [["in", map.zoomIn], ["out", map.zoomOut], ["all", map.showAll]]) {
  byId(id).onclick = act;
}
show();
