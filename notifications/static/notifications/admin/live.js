/**
 * The live page fetches itself every few seconds and puts the new figures in place of the old. Pushes a second are the
 * difference of two reports of one node, by the database's clock.
 */
const EVERY_MS = 3000;
const TIMEOUT_MS = 10000;
const LANGUAGE = document.documentElement.lang || undefined;
const NUMBER = new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: 1 });

/** By node its last report and the rate that followed from it. */
const reports = new Map();

/** Write the rates into a `#live` that has just come. */
function rate(live) {
  let sum = null;
  for (const cell of live.querySelectorAll("[data-at]")) {
    const name = cell.dataset.rate;
    const pushes = Number(cell.dataset.pushes);
    const at = Number(cell.dataset.at);
    const before = reports.get(name);
    let perSecond = before?.perSecond ?? null;
    if (before && at > before.at) perSecond = Math.max(0, pushes - before.pushes) / (at - before.at);
    reports.set(name, { pushes, at, perSecond });
    if (perSecond !== null) {
      cell.textContent = NUMBER.format(perSecond);
      sum = (sum ?? 0) + perSecond;
    }
  }
  if (sum !== null) live.querySelector('[data-rate=""]').textContent = NUMBER.format(sum);
}

function refresh() {
  // XMLHttpRequest, because it gives a parsed document: no string has to be made into one here.
  const request = new XMLHttpRequest();
  request.open("GET", location.href);
  request.responseType = "document";
  request.timeout = TIMEOUT_MS;
  request.onloadend = () => {
    const live = request.response?.querySelector("#live");
    document.querySelector(".stale").hidden = Boolean(live);
    if (live) {
      document.querySelector("#live").replaceWith(document.adoptNode(live));
      rate(live);
    }
    setTimeout(tick, EVERY_MS);
  };
  request.send();
}

/** A page that nobody sees asks for nothing. */
function tick() {
  if (document.visibilityState === "visible") refresh();
  else document.addEventListener("visibilitychange", tick, { once: true });
}

rate(document.querySelector("#live"));
setTimeout(tick, EVERY_MS);
