// Elements of the page. Texts are appended as text, which reads nothing as HTML.

export function make(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export function button(label, onclick, about = label) {
  const made = make("button", { type: "button", onclick }, label);
  made.setAttribute("aria-label", about);
  return made;
}

// Names and words are isolated, for those written from right to left would turn what is beside them.
export const isolated = (text) => make("bdi", {}, text);
export const listed = (texts) => texts.flatMap((text, number) => [number ? ", " : "", isolated(text)]);
