// The map of songs and tags on a canvas: songs [x, y, name, id], tags [x, y, tag].

const NEAR = 12; // pixels around a click

export function makeMap(canvas, { songs, tags }, { play, askForTag, tell }) {
  const context = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  let view = null; // a place p is shown at (p - centre) * scale, from the middle of the canvas
  let labels = []; // boxes of the tags that are shown: { tag, x, y, width, height }
  let found = new Set();
  let chosen = null; // a song or a tag

  const size = () => [canvas.clientWidth, canvas.clientHeight];
  const shownAt = ([x, y]) => {
    const [width, height] = size();
    return [width / 2 + (x - view.x) * view.scale, height / 2 - (y - view.y) * view.scale];
  };

  // ---------------------------------------------------------------- drawing

  function draw() {
    const [width, height] = size();
    const dense = devicePixelRatio;
    canvas.width = width * dense;
    canvas.height = height * dense;
    context.scale(dense, dense);
    context.strokeStyle = context.fillStyle = style.color;
    const radius = Math.min(6, 2 + view.scale / view.least / 2);
    for (const song of songs) if (!found.has(song[3])) dot(shownAt(song), radius, false);
    for (const song of songs) if (found.has(song[3])) dot(shownAt(song), radius, true);
    drawTags(width, height);
    if (chosen) {
      context.lineWidth = 3;
      dot(shownAt(chosen), radius + 4, false, 1);
    }
  }

  function dot([x, y], radius, isFilled, alpha = isFilled ? 1 : 0.45) {
    context.globalAlpha = alpha;
    context.beginPath();
    context.arc(x, y, radius + (isFilled ? 2 : 0), 0, 7);
    if (isFilled) context.fill();
    else context.stroke();
    context.globalAlpha = 1;
  }

  // A label stands beside its place where that is free; else it waits until one zooms in.
  function drawTags(width, height) {
    context.font = `600 13px ${style.fontFamily}`;
    context.textBaseline = "middle";
    context.fillStyle = style.accentColor;
    labels = [];
    const marks = tags.map(([x, y, tag]) => {
      const [left, top] = shownAt([x, y]);
      return { tag, x: left - 3, y: top - 3, width: 6, height: 6 };
    });
    for (const mark of marks) {
      const { tag } = mark;
      const [left, top] = [mark.x + 3, mark.y + 3];
      if (left < 0 || top < 0 || left > width || top > height) continue;
      context.fillRect(mark.x, mark.y, mark.width, mark.height);
      const wide = context.measureText(tag).width + 6;
      const box = [[5, -8], [-wide - 5, -8], [-wide / 2, -22], [-wide / 2, 6]]
        .map(([right, down]) => ({ tag, x: left + right, y: top + down, width: wide, height: 16 }))
        .find((one) => one.x >= 0 && one.x + wide <= width
          && ![...labels, ...marks].some((other) => cover(one, other)));
      if (!box) continue;
      labels.push(box);
      context.fillText(tag, box.x + 3, box.y + 8);
    }
    canvas.dataset.labels = JSON.stringify(labels);
  }

  const cover = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width
    && a.y < b.y + b.height && b.y < a.y + a.height;

  // ---------------------------------------------------------------- moving

  function showAll() {
    const places = [...songs, ...tags];
    const [xs, ys] = [0, 1].map((axis) => places.map((place) => place[axis]));
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const [width, height] = size();
    const scale = Math.min(width / (right - left || 1), height / (high - low || 1)) * 0.9;
    view = { x: (left + right) / 2, y: (low + high) / 2, scale, least: scale };
    draw();
  }

  // What is at [x, y] of the canvas stays there.
  function zoom(by, [x, y] = chosen ? shownAt(chosen) : size().map((length) => length / 2)) {
    const [width, height] = size();
    const scale = Math.min(Math.max(view.scale * by, view.least / 2), view.least * 200);
    const change = 1 / view.scale - 1 / scale;
    view = { ...view, scale, x: view.x + (x - width / 2) * change, y: view.y - (y - height / 2) * change };
    draw();
  }

  function choose(one) {
    chosen = one;
    tell(one[2]);
    const [x, y] = shownAt(one);
    const [width, height] = size();
    if (x < 0 || y < 0 || x > width || y > height) view = { ...view, x: one[0], y: one[1] };
    draw();
  }

  // That which is nearest on the side of the arrow; off the line of the arrow counts twice.
  function step(among, right, up) {
    const from = chosen ?? [view.x, view.y];
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

  // The middle of the pointers, and how far two are apart.
  function hold() {
    const places = [...pointers.values()];
    const [first, last] = [places[0], places.at(-1)];
    const apart = Math.hypot(first[0] - last[0], first[1] - last[1]);
    return { x: (first[0] + last[0]) / 2, y: (first[1] + last[1]) / 2, apart: Math.max(1, apart) };
  }

  canvas.onpointerdown = (event) => {
    pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    isClick = pointers.size === 1;
    canvas.setPointerCapture(event.pointerId);
  };
  canvas.onpointermove = (event) => {
    const [x, y] = [event.offsetX, event.offsetY];
    const down = pointers.get(event.pointerId);
    if (!down) {
      hover(x, y);
      return;
    }
    isClick &&= Math.hypot(x - down[0], y - down[1]) <= 4;
    if (isClick) return;
    const from = hold();
    pointers.set(event.pointerId, [x, y]);
    const to = hold();
    view = { ...view, x: view.x - (to.x - from.x) / view.scale, y: view.y + (to.y - from.y) / view.scale };
    zoom(to.apart / from.apart, [to.x, to.y]);
  };
  canvas.onpointerup = (event) => {
    pointers.delete(event.pointerId);
    if (isClick) click(event.offsetX, event.offsetY);
    isClick = false;
  };
  canvas.onpointercancel = (event) => {
    pointers.delete(event.pointerId);
    isClick = false;
  };
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 500), [event.offsetX, event.offsetY]);
  }, { passive: false });

  function hover(x, y) {
    const song = songNear(x, y);
    canvas.style.cursor = song || tagAt(x, y) ? "pointer" : "grab";
    if (song) tell(song[2]);
  }

  function click(x, y) {
    const one = tagAt(x, y) ?? songNear(x, y);
    if (!one) return;
    choose(one);
    take(one);
  }

  function tagAt(x, y) {
    const label = labels.find((box) => cover(box, { x, y, width: 0, height: 0 }));
    return label && tags.find((tag) => tag[2] === label.tag);
  }

  function songNear(x, y) {
    const away = songs.map((song) => {
      const [left, top] = shownAt(song);
      return Math.hypot(left - x, top - y);
    });
    const nearest = Math.min(...away);
    return nearest < NEAR ? songs[away.indexOf(nearest)] : null;
  }

  new ResizeObserver(showAll).observe(canvas);
  showAll();
  return {
    mark: (ids) => { found = new Set(ids); draw(); },
    zoomIn: () => zoom(1.5),
    zoomOut: () => zoom(1 / 1.5),
    showAll,
  };
}
