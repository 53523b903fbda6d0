// Players of songs: one is heard at a time.
import { make } from "./elements.js";

export const SILENT = "the server does not answer: see whether it is still running";

export function player(address, name) {
  const audio = make("audio", { controls: true, preload: "none", src: address });
  audio.setAttribute("aria-label", name);
  audio.onplay = () => {
    silence(audio)?.remove();
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
  };
  audio.onerror = () => tellWhySilent(audio, address);
  return audio;
}

// What says why a player is silent stands below it.
const silence = (audio) => audio.nextElementSibling?.matches(".silent")
  ? audio.nextElementSibling : null;

// A player that failed stays dead, unless its address is given anew: the next click then asks again.
// load() would ask at once, and fail again and again.
async function tellWhySilent(audio, address) {
  const answers = await fetch(address, { method: "HEAD" }).then(() => true, () => false);
  audio.src = address;
  const why = answers ? "The file is missing, or this browser cannot play it."
    : `Nothing is played: ${SILENT}, and play the song again.`;
  silence(audio)?.remove();
  audio.after(make("p", { className: "silent", role: "alert" }, why));
}
