// The map of songs and tags on a canvas: songs [x, y, name, id], tags [x, y, tag].
import { makeView } from "./view.js";

const NEAR = 12; // pixels around a click
const SQUARE = 8; // of a tag

const around = ([x, y], half) => ({ x: x - half, y: y - half, width: 2 * half, height: 2 * half });
const cover = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width
  && a.y < b.y + b.height && b.y < a.y + a.height;

// The one of some places to which the others are nearest.
function middleOf(places) {
  const costs = places.map(([x, y]) => places.reduce(
    (sum, other) => sum + Math.hypot(other[0] - x, other[1] - y), 0));
  return places[costs.indexOf(Math.min(...costs))] ?? null;
}

export function makeMap(canvas, { songs, tags }, { play, askForTag, tell }) {
  const context = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const size = () => [canvas.clientWidth, canvas.clientHeight];
  const view = makeView(songs, tags, size);
  const { shownAt } = view;
  let labels = []; // boxes of the tags that are shown: { tag, x, y, width, height }
  let found = new Set();
  let chosen = null; // a song or a tag
  let target = null; // where the buttons zoom to: what was chosen or found last, until one moves

  // ---------------------------------------------------------------- drawing

  const dotRadius = () => Math.min(6, 2 + view.nearness() / 2);
  const foundRadius = () => dotRadius() + 2;
  const ringRadius = () => dotRadius() + 4;

  function draw() {
    const [width, height] = size();
    const dense = devicePixelRatio;
    canvas.width = width * dense;
    canvas.height = height * dense;
    context.scale(dense, dense);
    context.strokeStyle = context.fillStyle = style.color;
    for (const song of songs) if (!found.has(song[3])) dot(shownAt(song), dotRadius(), false);
    for (const song of songs) if (found.has(song[3])) dot(shownAt(song), foundRadius(), true);
    drawTags(width, height);
    if (chosen) {
      context.lineWidth = 3;
      dot(shownAt(chosen), ringRadius(), false, 1);
    }
    canvas.dataset.view = JSON.stringify(view.now());
    canvas.dataset.labels = JSON.stringify(labels);
  }

  function dot([x, y], radius, isFilled, alpha = isFilled ? 1 : 0.45) {
    context.globalAlpha = alpha;
    context.beginPath();
    context.arc(x, y, radius, 0, 7);
    if (isFilled) context.fill();
    else context.stroke();
    context.globalAlpha = 1;
  }

  // A label stands beside its square where that is free; else it waits until one zooms in.
  function drawTags(width, height) {
    context.font = `600 13px ${style.fontFamily}`;
    context.textBaseline = "middle";
    context.fillStyle = style.accentColor;
    labels = [];
    const taken = tags.map((tag) => around(shownAt(tag), SQUARE / 2));
    for (const box of taken) context.fillRect(box.x, box.y, box.width, box.height);
    for (const song of songs) if (found.has(song[3])) taken.push(around(shownAt(song), foundRadius()));
    if (chosen) taken.push(around(shownAt(chosen), ringRadius() + 2));
    const inOrder = tags.includes(chosen) ? [chosen, ...tags] : tags; // its label has the choice
    for (const tag of new Set(inOrder)) {
      const [x, y] = shownAt(tag);
      if (x < 0 || y < 0 || x > width || y > height) continue;
      const box = labelBox(tag, x, y, [...labels, ...taken], width, height);
      if (!box) continue;
      labels.push(box);
      context.fillText(tag[2], box.x + 3, box.y + 8);
    }
  }

  // Right, left, above or below, then the corners, and all that a little further away.
  function labelBox(tag, x, y, taken, width, height) {
    const wide = context.measureText(tag[2]).width + 6;
    const near = tag === chosen ? ringRadius() + 2 : SQUARE / 2 + 1; // the ring is in between
    return [near, near + 8, near + 16].flatMap((gap) => {
      const [left, middle, over, under] = [-wide - gap, -wide / 2, -gap - 16, gap];
      return [[gap, -8], [left, -8], [middle, over], [middle, under],
        [gap, over], [gap, under], [left, over], [left, under]];
    })
      .map(([right, down]) => ({ tag: tag[2], x: x + right, y: y + down, width: wide, height: 16 }))
      .find((one) => one.x >= 0 && one.x + wide <= width && one.y >= 0 && one.y + 16 <= height
        && !taken.some((other) => cover(one, other)));
  }

  // ---------------------------------------------------------------- moving

  function showAll() {
    view.showAll();
    draw();
  }

  function zoom(by) {
    if (target) view.zoomTo(target, by);
    else view.zoom(by);
    draw();
  }

  function choose(one) {
    chosen = target = one;
    tell(one[2]);
    view.reveal(one);
    draw();
  }

  // That which is nearest on the side of the arrow; off the line of the arrow counts twice.
  function step(among, right, up) {
    const { x, y } = view.now();
    const from = chosen ?? [x, y];
    const costs = among.map((one) => {
      const [dx, dy] = [one[0] - from[0], one[1] - from[1]];
      const ahead = dx * right + dy * up;
      return ahead > 0 ? ahead + 2 * Math.abs(dx * up + dy * right) : Infinity;
    });
    const best = costs.indexOf(Math.min(...costs));
    if (costs[best] < Infinity) choose(among[best]);
  }

  function take(one) {
    if (tags.includes(one)) askForTag(one[2]);
    else play(one[3], one[2]);
  }

  // ---------------------------------------------------------------- keys and pointers

  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const keys = {
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: showAll,
    Enter: () => chosen && take(chosen),
  };
  canvas.onkeydown = (event) => {
    const { key } = event;
    if (!(key in keys || key in arrows) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    if (key in keys) keys[key]();
    else step(event.shiftKey ? tags : songs, ...arrows[key]);
  };

  const pointers = new Map(); // where the mouse, or each finger, is while it is down
  let isClick = false; // whether one alone is down and has stayed where it was
  let start = null; // { view, held } when the last finger came or went

  // The middle of the pointers, and how far two are apart.
  function hold() {
    const places = [...pointers.values()];
    const [first, last] = [places[0], places.at(-1)];
    const apart = Math.hypot(first[0] - last[0], first[1] - last[1]);
    return { x: (first[0] + last[0]) / 2, y: (first[1] + last[1]) / 2, apart: Math.max(1, apart) };
  }

  function begin() {
    if (pointers.size) start = { view: view.now(), held: hold() };
  }

  function letGo({ pointerId }) {
    pointers.delete(pointerId);
    isClick = false;
    begin();
  }

  canvas.onpointerdown = (event) => {
    if (event.button) return; // the others have their menus
    pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    isClick = pointers.size === 1;
    canvas.setPointerCapture(event.pointerId);
    begin();
  };
  canvas.onpointermove = (event) => {
    const [x, y] = [event.offsetX, event.offsetY];
    const down = pointers.get(event.pointerId);
    if (!down) {
      hover(x, y);
      return;
    }
    const isTouch = event.pointerType === "touch";
    isClick &&= Math.hypot(x - down[0], y - down[1]) <= (isTouch ? NEAR : 4);
    if (isClick) return;
    pointers.set(event.pointerId, [x, y]);
    if (isTouch && pointers.size === 1) return; // one finger scrolls the page
    target = null;
    view.drag(start.view, start.held, hold());
    draw();
  };
  canvas.onpointerup = (event) => {
    const wasClick = isClick;
    letGo(event);
    if (wasClick) click(event.offsetX, event.offsetY);
  };
  canvas.onpointercancel = letGo;
  canvas.oncontextmenu = () => { // a long touch, or Ctrl and a click, opened it
    pointers.clear();
    isClick = false;
  };
  // Where one finger may scroll, two would as well.
  canvas.addEventListener("touchmove", (event) => {
    if (event.touches.length > 1) event.preventDefault();
  }, { passive: false });
  // The wheel scrolls the page, unless one has turned to the map.
  canvas.addEventListener("wheel", (event) => {
    const isForMap = event.ctrlKey || event.metaKey || document.activeElement === canvas;
    if (!isForMap) return;
    event.preventDefault();
    target = null;
    view.zoom(Math.exp(-event.deltaY / 500), [event.offsetX, event.offsetY]);
    draw();
  }, { passive: false });

  function hover(x, y) {
    const one = at(x, y);
    canvas.style.cursor = one ? "pointer" : "grab";
    if (one) tell(one[2]);
  }

  function click(x, y) {
    const one = at(x, y);
    if (!one) return;
    choose(one);
    take(one);
  }

  // A label or a square, which lie above the dots; else what is nearest.
  function at(x, y) {
    const point = around([x, y], 0);
    const label = labels.find((box) => cover(box, point));
    if (label) return tags.find((tag) => tag[2] === label.tag);
    const away = (one) => {
      const [left, top] = shownAt(one);
      return Math.hypot(left - x, top - y);
    };
    const squares = tags.filter((tag) => cover(around(shownAt(tag), SQUARE / 2), point));
    const among = squares.length ? squares : [...tags, ...songs];
    const distances = among.map(away);
    const nearest = Math.min(...distances);
    return nearest < NEAR ? among[distances.indexOf(nearest)] : null;
  }

  function mark(ids) {
    found = new Set(ids);
    target = middleOf(songs.filter((song) => found.has(song[3]))) ?? chosen;
    draw();
  }

  new ResizeObserver(() => { view.resize(); draw(); }).observe(canvas);
  // The colours are drawn: they do not follow the style by themselves.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
  return { mark, zoomIn: () => zoom(1.5), zoomOut: () => zoom(1 / 1.5), showAll };
}
