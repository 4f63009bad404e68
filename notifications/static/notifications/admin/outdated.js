/**
 * Tells whoever looks at a draft, in its form or on the page that publishes it, that somebody else has changed it: the
 * page asks for itself now and then, and compares what stands in `seen`. The server refuses the old one in any case.
 */
const EVERY_MS = 10000;

const seen = () => document.querySelector("form [name=seen]");
const note = document.querySelector(".outdated");

function ask() {
  // XMLHttpRequest, because it gives a parsed document: no string has to be made into one here.
  const request = new XMLHttpRequest();
  request.open("GET", location.href);
  request.responseType = "document";
  request.timeout = EVERY_MS;
  request.onload = () => {
    // Another page altogether (published, deleted) has none.
    const now = request.response?.querySelector("form [name=seen]")?.value;
    if (request.status < 500) note.hidden = now === seen().value;
  };
  request.onloadend = () => setTimeout(tick, EVERY_MS);
  request.send();
}

/** A page that nobody sees asks for nothing, and asks as soon as it is seen. */
function tick() {
  if (document.visibilityState === "visible") ask();
  else document.addEventListener("visibilitychange", tick, { once: true });
}

// A draft that is not stored yet is nobody else's.
if (note && seen()?.value) setTimeout(tick, EVERY_MS);
