/**
 * Tells whoever looks at a draft, in its form or on the page that publishes it, that somebody else has changed it: now
 * and then the server is asked what the draft says, and `seen` compared with it. It refuses the old one in any case.
 */
const EVERY_MS = 10000;

const seen = () => document.querySelector("form [name=seen]");
const note = document.querySelector(".outdated");

async function ask() {
  try {
    // A redirect leads to the sign-in: no word about the draft.
    const answer = await fetch(note.dataset.ask, { redirect: "error", signal: AbortSignal.timeout(EVERY_MS) });
    // Published, it says nothing; deleted, it is not found.
    if (answer.ok) note.hidden = (await answer.text()) === seen().value;
    else if (answer.status === 404) note.hidden = false;
  } catch {
    // The server does not answer: the next question may be.
  }
  setTimeout(tick, EVERY_MS);
}

/** A page that nobody sees asks for nothing, and asks as soon as it is seen. */
function tick() {
  if (document.visibilityState === "visible") ask();
  else document.addEventListener("visibilitychange", tick, { once: true });
}

// A draft that is not stored yet is nobody else's.
if (note?.dataset.ask && seen()?.value) setTimeout(tick, EVERY_MS);
