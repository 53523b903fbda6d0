// The page. What it asks for stands in its address, so that it can be shared and "back" works:
// words, not, like (a song's id, or ID:-1 to keep away from it; may stand several times), top.
// Names are shown by textContent and append alone, which read nothing as HTML.
import { button, isolated, listed, make } from "./elements.js";
import { makeMap } from "./map.js";
import { player, SILENT } from "./sound.js";
import { weightOf, withTag } from "./words.js";

const MOST = 100; // songs of an answer
const byId = (id) => document.getElementById(id);
const boxes = [byId("words"), byId("not")];
const asked = () => new URLSearchParams(location.search);
const likesOf = (query) => query.getAll("like").filter((like) => like.trim());
const topOf = (query) => Number(query.get("top") ?? 10);
let tags = [];
let map = null;
let answer = { labels: [], hits: [] }; // the last
const names = new Map(); // what songs asked for are shown as
let nAsked = 0; // an answer that comes after a later question is dropped

// In a box commas stand for line breaks, which it cannot hold.
const textOf = (query, { id }) => query.getAll(id).join(", ").replaceAll("\n", ", ");
const isTypedIn = (box) => box.value.trim() !== textOf(asked(), box).trim();

function fillBoxes() {
  for (const box of boxes) box.value = textOf(asked(), box);
}

// The same question again is no other page to go back to.
function setAddress(query, isNew = true) {
  const isOther = `${query}` !== `${asked()}`;
  const place = query.size ? `?${query}` : location.pathname;
  if (isOther) history[isNew ? "pushState" : "replaceState"](null, "", place);
}

// What stands in the boxes is asked for as well, whether it was searched before or not. Who clicks
// on something else (`edit`) goes on without a word that is refused.
function change(edit = null) {
  const query = asked();
  query.delete("top");
  for (const { id, value } of boxes) {
    if (value.trim()) query.set(id, value.trim());
    else query.delete(id);
  }
  edit?.(query);
  setAddress(query);
  fillBoxes();
  show(Boolean(edit)).then(() => {
    if (!boxes.some(isTypedIn)) byId("found").focus();
  });
}

// Tells whether a box asks for what was refused, and nothing was typed since.
const isRefusedIn = (query, refused, asks) =>
  refused && textOf(query, byId(refused.box)) === asks.trim();

// Put a text where the refused word stands in its box; '' leaves it out.
function replaceRefused(query, { box, parts, at }, text) {
  const others = parts.map((part, number) => (number === at ? text : part)).filter(Boolean);
  if (others.length) query.set(box, others.join(", "));
  else query.delete(box);
}

// A tag stands in the place of a word that was refused, by its weight.
const askForTag = (tag, isProposal = false) => {
  const { refused, asks = "" } = answer;
  const isTyped = isTypedIn(byId("words"));
  const add = (query) =>
    query.set("words", withTag(query.get("words") ?? "", tag, tags, isTyped));
  change((query) => {
    const isInPlace = isProposal || refused?.box === "words";
    if (!(isInPlace && isRefusedIn(query, refused, asks))) add(query);
    else replaceRefused(query, refused, tag + weightOf(refused.parts[refused.at]));
  });
};

// A song is asked for once, whether to be near or to keep away from.
const askForSong = (id, weight, name) => change((query) => {
  if (name) names.set(id + weight, weight ? `not like ${name}` : `like ${name}`);
  const others = likesOf(query).filter((like) => like !== id && like !== `${id}:-1`);
  query.delete("like");
  for (const like of [...others, id + weight]) query.append("like", like);
});

// ---------------------------------------------------------------- answers

async function show(leavesOut = false) {
  const number = ++nAsked;
  byId("more").disabled = true; // what is there answers another question
  const { query, given, left } = await whileBusy(answerWithout(leavesOut, number));
  if (number !== nAsked) return;
  answer = { labels: [], songs: [], hits: [], ...given };
  const refused = answer.refused;
  if (refused) answer.asks = textOf(query, byId(refused.box));
  if (left.length) answer.notes = [...left, ...(answer.notes ?? [])];
  const likes = likesOf(query);
  answer.songs.forEach((label, number) => names.set(likes[number], label));
  showAsked(likes);
  showHits();
  showAround(query);
}

const asksForNothing = (query, among = boxes) =>
  !among.some((box) => textOf(query, box).trim()) && !likesOf(query).length;

// The answer to what is asked for; after a click without the words that are refused, as long as
// something else is asked for. They leave the address and the boxes as well.
async function answerWithout(leavesOut, number) {
  const left = [];
  for (let query = asked(); ;) {
    const given = asksForNothing(query) ? {} : await answerTo(query);
    const { refused } = given;
    const others = new URLSearchParams(query);
    if (refused) replaceRefused(others, refused, "");
    const goesOn = leavesOut && refused && !asksForNothing(others, [byId("words")]);
    if (!goesOn || number !== nAsked) return { query, given, left };
    const isTyped = boxes.some(isTypedIn);
    query = others;
    setAddress(query, false);
    if (!isTyped) fillBoxes();
    left.push(`“${refused.parts[refused.at]}” is not known here, and was left out`);
  }
}

// An answer that takes long is told.
async function whileBusy(answering) {
  const timer = setTimeout(() => {
    byId("hits").ariaBusy = "true";
    byId("said").className = "";
    byId("said").textContent = "Searching …";
  }, 300);
  const isLast = nAsked;
  try {
    return await answering;
  } finally {
    clearTimeout(timer);
    if (isLast === nAsked) byId("hits").ariaBusy = null;
  }
}

// A song that was there keeps its player, so that what plays goes on.
function showHits() {
  const players = new Map([...document.querySelectorAll("#hits audio")]
    .map((audio) => [audio.getAttribute("src"), audio]));
  byId("hits").replaceChildren(
    ...answer.hits.map((hit) => hitItem(hit, answer.labels, players.get(hit.audio))));
}

// More songs of the same question: those that are there stay, and what plays goes on.
async function showMore() {
  const query = asked();
  query.set("top", Math.min(MOST, topOf(query) + 10));
  const number = ++nAsked;
  const { hits = [], error } = await whileBusy(answerTo(query));
  if (number !== nAsked) return;
  const isThere = new Set(answer.hits.map((hit) => hit.id));
  const fresh = hits.filter((hit) => !isThere.has(hit.id));
  answer = { ...answer, hits: [...answer.hits, ...fresh] };
  const items = fresh.map((hit) => hitItem(hit, answer.labels));
  byId("hits").append(...items);
  if (!error) setAddress(query, false);
  showAround(asked());
  byId("more-said").textContent = error ? sentence(error) : "";
  if (!error) (items[0] ?? byId("hits").lastElementChild).focus();
}

// What stands around the songs of the last answer.
function showAround(query) {
  const { hits, labels, error } = answer;
  byId("said").className = error ? "error" : "";
  byId("said").replaceChildren(...saidOf(answer));
  byId("more-said").textContent = "";
  showProposals();
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
    return { error: SILENT };
  }
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

function saidOf({ labels, hits, notes = [], error }) {
  if (error) return [`Nothing was searched: ${error}.`];
  if (!labels.length) return ["Give words, or take a tag:"];
  const found = hits.length ? `${hits.length} songs` : "No song was found";
  return [`${found} for `, ...listed(labels), ["", ...notes].join(". "), "."];
}

// Tags in place of a word that is refused.
function showProposals() {
  const proposed = answer.refused?.tags ?? [];
  byId("proposed").replaceChildren(...proposed.map((tag) =>
    button(tag, () => askForTag(tag, true), `${tag}, in its place`)));
}

function showAsked(likes) {
  byId("asked").replaceChildren(...likes.map((like) => {
    const label = names.get(like) ?? like;
    const remove = () => change((query) => query.delete("like", like));
    const chip = button("", remove, `remove: ${label}`);
    chip.append(make("bdi", { className: "name", title: label }, label), " ✕");
    return make("li", {}, chip);
  }));
}

function hitItem(hit, labels, sound) {
  const name = [hit.artist, hit.title].filter(Boolean).join(" - ");
  const shown = labels.length > 1 ? hit.by_part.map((score, k) => [labels[k], score]) : [];
  const close = [["similarity", hit.score], ...shown].flatMap(([label, score]) => [
    make("span", {}, isolated(label), " ",
      make("meter", { min: 0, max: 1, value: score, ariaLabel: label }), ` ${score.toFixed(2)}`),
    " ", // where a line may break
  ]);
  return make("li", { tabIndex: -1 },
    make("div", { className: "title", dir: "auto" }, name),
    make("div", { className: "tags" }, ...listed(hit.tags)),
    make("div", { className: "close" }, ...close),
    hit.audio ? sound ?? player(hit.audio, name) : make("p", {}, "no audio file"),
    make("div", { className: "acts" },
      button("more like this", () => askForSong(hit.id, "", name), `more like ${name}`),
      button("less like this", () => askForSong(hit.id, ":-1", name), `less like ${name}`)));
}

// ---------------------------------------------------------------- sound

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
await showAbout();
await isShown;
showTags();
await showMap();

// What cannot be asked for is said where it would stand; all else goes on.
async function ask(target, place) {
  try {
    const given = await fetch(target);
    if (given.ok) return await given.json();
    byId(place).textContent = `The server has an error (${given.status}).`;
  } catch {
    byId(place).textContent = sentence(SILENT);
  }
  return null;
}

async function showAbout() {
  const about = await ask("about", "about");
  if (!about) return;
  tags = about.tags;
  byId("about").textContent = `${about.n_songs} songs, ${tags.length} tags` +
    (about.has_audio ? "" : ". The index names no audio file that is there: there are no players");
}

// Names for songs of an address that was refused from the start.
function nameSongs(songs) {
  const isNew = ([, , , id]) => !names.has(id) && !names.has(`${id}:-1`);
  for (const [, , name, id] of songs.filter(isNew)) {
    names.set(id, `like ${name}`).set(`${id}:-1`, `not like ${name}`);
  }
  showAsked(likesOf(asked()));
}

async function showMap() {
  const places = await ask("map", "here");
  if (!places) return;
  map = makeMap(byId("map"), places, {
    play: playOnMap,
    askForTag,
    tell: (text) => {
      byId("here").textContent = text;
      nameOnce();
    },
  });
  map.mark(answer.hits.map((hit) => hit.id));
  nameSongs(places.songs);
  for (const [id, act] of [["in", map.zoomIn], ["out", map.zoomOut], ["all", map.showAll]]) {
    byId(id).onclick = act;
  }
}
