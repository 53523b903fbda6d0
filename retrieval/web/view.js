// Which part of the map a canvas shows: a place p stands at (p - centre) * scale from its middle.

const MOST = 40; // times as near as where all is shown
const EDGE = 24; // pixels from the edge within which a song counts as out of view

const between = (least, value, most) => Math.min(Math.max(value, least), most);

export function makeView(songs, tags, size) {
  let view = null; // { x, y, scale }
  let least = 1; // the scale that shows all
  let isWhole = true; // whether all is shown, as at the start

  function shownAt([x, y]) {
    const [width, height] = size();
    return [width / 2 + (x - view.x) * view.scale, height / 2 - (y - view.y) * view.scale];
  }

  function whole() {
    const places = [...songs, ...tags];
    const [xs, ys] = [0, 1].map((axis) => places.map((place) => place[axis]));
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const [width, height] = size();
    const scale = Math.min(width / (right - left || 1), height / (high - low || 1)) * 0.9;
    return { x: (left + right) / 2, y: (low + high) / 2, scale };
  }

  function showAll() {
    view = whole();
    least = view.scale;
    isWhole = true;
  }

  // What one has zoomed to stays when the canvas changes its size.
  function resize() {
    if (isWhole) return showAll();
    least = whole().scale;
    show(view);
  }

  // A song at least stays in view: the map moves no further, to the next one in that direction.
  function show({ x, y, scale }) {
    const bounded = between(least, scale, least * MOST);
    const [right, up] = size().map((length) => Math.max(0, length / 2 - EDGE) / bounded);
    const beyond = (off, half) => off - between(-half, off, half);
    let [dx, dy, far] = [0, 0, Infinity];
    for (const place of songs) {
      const out = [beyond(place[0] - x, right), beyond(place[1] - y, up)];
      if (Math.hypot(...out) < far) [dx, dy, far] = [...out, Math.hypot(...out)];
      if (!far) break;
    }
    view = { x: x + dx, y: y + dy, scale: bounded };
    isWhole = false;
  }

  // From a view in which the fingers were held so, to one in which they are held otherwise:
  // what was between them is between them. Each is { x, y, apart }, of the canvas.
  function drag(start, from, to) {
    const [width, height] = size();
    const scale = between(least, start.scale * to.apart / from.apart, least * MOST);
    show({
      x: start.x + (from.x - width / 2) / start.scale - (to.x - width / 2) / scale,
      y: start.y - (from.y - height / 2) / start.scale + (to.y - height / 2) / scale,
      scale,
    });
  }

  // What is at [x, y] of the canvas stays there.
  function zoom(by, [x, y] = size().map((length) => length / 2)) {
    drag(view, { x, y, apart: 1 }, { x, y, apart: by });
  }

  // Zooming in brings a place towards the middle; zooming out leaves it where it is shown.
  function zoomTo(place, by) {
    const rest = by > 1 ? 0.4 : 1 / by;
    const [x, y] = [place[0] + (view.x - place[0]) * rest, place[1] + (view.y - place[1]) * rest];
    show({ x, y, scale: view.scale * by });
  }

  // A place that is out of view comes into the middle.
  function reveal(place) {
    const [x, y] = shownAt(place);
    const [width, height] = size();
    if (x < 0 || y < 0 || x > width || y > height) show({ ...view, x: place[0], y: place[1] });
  }

  showAll();
  return {
    shownAt, showAll, resize, drag, zoom, zoomTo, reveal,
    now: () => view,
    nearness: () => view.scale / least,
  };
}
