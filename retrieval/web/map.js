// The map of songs and tags on a canvas: songs [x, y, name, id], tags [x, y, tag].

const NEAR = 12; // pixels around a click

export function makeMap(canvas, { songs, tags }, { play, askForTag, tell }) {
  const context = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  let view = null; // a place p is shown at (p - centre) * scale, from the middle of the canvas
  let labels = []; // boxes of the tags that are shown: { tag, x, y, width, height }
  let found = new Set();
  let chosen = null; // a song

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

  function choose(song) {
    chosen = song;
    tell(song[2]);
    const [x, y] = shownAt(song);
    const [width, height] = size();
    if (x < 0 || y < 0 || x > width || y > height) view = { ...view, x: song[0], y: song[1] };
    draw();
  }

  // The song that is nearest on the side of the arrow; off the line of the arrow counts twice.
  function step(right, up) {
    const from = chosen ?? [view.x, view.y];
    const costs = songs.map((song) => {
      const [dx, dy] = [song[0] - from[0], song[1] - from[1]];
      const ahead = dx * right + dy * up;
      return ahead > 0 ? ahead + 2 * Math.abs(dx * up + dy * right) : Infinity;
    });
    const best = costs.indexOf(Math.min(...costs));
    if (costs[best] < Infinity) choose(songs[best]);
  }

  // ---------------------------------------------------------------- keys and pointer

  const keys = {
    ArrowLeft: () => step(-1, 0), ArrowRight: () => step(1, 0),
    ArrowUp: () => step(0, 1), ArrowDown: () => step(0, -1),
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: showAll,
    Enter: () => chosen && play(chosen[3], chosen[2]),
  };
  canvas.onkeydown = (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  };

  let drag = null; // where the pointer went down, and the view then
  canvas.onpointerdown = (event) => {
    drag = { x: event.offsetX, y: event.offsetY, view, isMoved: false };
    canvas.setPointerCapture(event.pointerId);
  };
  canvas.onpointermove = (event) => {
    const [x, y] = [event.offsetX, event.offsetY];
    if (!drag) {
      const song = songNear(x, y);
      canvas.style.cursor = song || tagAt(x, y) ? "pointer" : "grab";
      if (song) tell(song[2]);
      return;
    }
    drag.isMoved ||= Math.hypot(x - drag.x, y - drag.y) > 4;
    if (!drag.isMoved) return;
    const { scale } = drag.view;
    view = { ...view, x: drag.view.x - (x - drag.x) / scale, y: drag.view.y + (y - drag.y) / scale };
    draw();
  };
  canvas.onpointerup = (event) => {
    if (drag && !drag.isMoved) click(event.offsetX, event.offsetY);
    drag = null;
  };
  canvas.onpointercancel = () => { drag = null; };
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 500), [event.offsetX, event.offsetY]);
  }, { passive: false });

  function click(x, y) {
    const tag = tagAt(x, y);
    const song = tag ? null : songNear(x, y);
    if (tag) askForTag(tag);
    if (song) {
      choose(song);
      play(song[3], song[2]);
    }
  }

  const tagAt = (x, y) => labels.find((box) => cover(box, { x, y, width: 0, height: 0 }))?.tag;

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
