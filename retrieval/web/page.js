// The page. What it asks for stands in its address, so that it can be shared and "back" works:
// words, not, like (a song's id, or ID:-1 to keep away from it; may stand several times), top.
// Names are shown by textContent and append alone, which read nothing as HTML.
import { makeMap } from "./map.js";
import { asksFor } from "./words.js";

const MOST = 100; // songs of an answer
const byId = (id) => document.getElementById(id);
const boxes = [byId("words"), byId("not")];
const asked = () => new URLSearchParams(location.search);
const likesOf = (query) => query.getAll("like").filter((like) => like.trim());
const topOf = (query) => Number(query.get("top") ?? 10);
let tags = [];
let map = null;
let answer = { labels: [], hits: [] }; // the last
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

// In a box commas stand for line breaks, which it cannot hold.
const textOf = (query, { id }) => (query.get(id) ?? "").replaceAll("\n", ", ");

function fillBoxes() {
  for (const box of boxes) box.value = textOf(asked(), box);
}

// What stands in the boxes is asked for as well, whether it was searched before or not.
function change(edit = () => {}) {
  const query = asked();
  query.delete("top");
  for (const { id, value } of boxes) {
    if (value.trim()) query.set(id, value.trim());
    else query.delete(id);
  }
  edit(query);
  history.pushState(null, "", query.size ? `?${query}` : location.pathname);
  fillBoxes();
  show().then(() => {
    const isTypedOn = boxes.some((box) => box.value !== textOf(query, box));
    if (!isTypedOn) byId("found").focus();
  });
}

const askForTag = (tag) => change((query) => {
  const words = query.get("words") ?? "";
  if (!asksFor(words, tag, tags)) query.set("words", words ? `${words}, ${tag}` : tag);
});

// A song is asked for once, whether to be near or to keep away from.
const askForSong = (id, weight) => change((query) => {
  const others = likesOf(query).filter((like) => like !== id && like !== `${id}:-1`);
  query.delete("like");
  for (const like of [...others, id + weight]) query.append("like", like);
});

// ---------------------------------------------------------------- answers

async function show() {
  const query = asked();
  const number = ++nAsked;
  byId("more").disabled = true; // what is there answers another question
  const isEmpty = !query.get("words")?.trim() && !likesOf(query).length;
  const given = isEmpty ? {} : await answerTo(query);
  if (number !== nAsked) return;
  answer = { labels: [], songs: [], hits: [], ...given };
  showAsked(likesOf(query), answer.songs);
  byId("hits").replaceChildren(...answer.hits.map((hit) => hitItem(hit, answer.labels)));
  showAround(query);
}

// More songs of the same question: those that are there stay, and what plays goes on.
async function showMore() {
  const query = asked();
  query.set("top", Math.min(MOST, topOf(query) + 10));
  const number = ++nAsked;
  const { hits = [], error } = await answerTo(query);
  if (number !== nAsked) return;
  const isThere = new Set(answer.hits.map((hit) => hit.id));
  const fresh = hits.filter((hit) => !isThere.has(hit.id));
  answer = { ...answer, hits: [...answer.hits, ...fresh], error };
  const items = fresh.map((hit) => hitItem(hit, answer.labels));
  byId("hits").append(...items);
  if (!error) history.replaceState(null, "", `?${query}`);
  showAround(asked());
  if (!error) (items[0] ?? byId("hits").lastElementChild).focus();
}

// What stands around the songs of the last answer.
function showAround(query) {
  const { hits, labels, error } = answer;
  byId("said").className = error ? "error" : "";
  byId("said").textContent = saidOf(answer);
  showTags();
  byId("after").hidden = !hits.length;
  byId("more").hidden = hits.length < topOf(query) || hits.length >= MOST;
  byId("more").disabled = false;
  byId("playlist").hidden = !hits.some((hit) => hit.audio);
  byId("playlist").href = `playlist.m3u8?${query}`;
  document.title = hits.length ? `${labels.join(", ")} – songs` : "Songs by words";
  map?.mark(hits.map((hit) => hit.id));
}

function showTags() {
  byId("try").replaceChildren(...(answer.hits.length ? [] : tags).slice(0, 60)
    .map((tag) => button(tag, () => askForTag(tag))));
}

async function answerTo(query) {
  try {
    return await (await fetch(`search?${query}`)).json();
  } catch {
    return { error: "the server does not answer: see whether it is still running" };
  }
}

function saidOf({ labels, hits, notes, error }) {
  if (error) return `Nothing was searched: ${error}.`;
  if (!labels.length) return "Give words, or take a tag:";
  const found = hits.length ? `${hits.length} songs` : "No song was found";
  return [`${found} for ${labels.join(", ")}`, ...notes].join(". ") + ".";
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
  return make("li", { tabIndex: -1 },
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
  nameOnce();
  audio.play().catch(() => {}); // onerror says what is wrong
}

// Where the map tells the name of the song that it plays, the player shows it.
function nameOnce() {
  const played = document.querySelector("#playing p")?.textContent;
  byId("here").classList.toggle("unseen", byId("here").textContent === played);
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

for (const box of boxes) box.oninput = box.onfocus = suggest;
byId("form").onsubmit = (event) => {
  event.preventDefault();
  change();
};
byId("more").onclick = showMore;
addEventListener("popstate", () => {
  fillBoxes();
  show();
});

// What was typed before this script came stays.
for (const box of boxes) box.value ||= textOf(asked(), box);
const isShown = show();
const about = await (await fetch("about")).json();
tags = about.tags;
byId("about").textContent = `${about.n_songs} songs, ${tags.length} tags` +
  (about.has_audio ? "" : ". The index names no audio file that is there: there are no players");
await isShown;
showTags();
const places = await (await fetch("map")).json();
map = makeMap(byId("map"), places, {
  play: playOnMap,
  askForTag,
  tell: (text) => {
    byId("here").textContent = text;
    nameOnce();
  },
});
map.mark(answer.hits.map((hit) => hit.id));
for (const [id, act] of [["in", map.zoomIn], ["out", map.zoomOut], ["all", map.showAll]]) {
  byId(id).onclick = act;
}
