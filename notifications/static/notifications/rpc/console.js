// Calls of staff from the methods' page. The key is in its field and nowhere else: no storage, no cookie, no address.

const section = /** @type {HTMLElement} */ (document.querySelector("#console"));
const form = /** @type {HTMLFormElement} */ (section.querySelector("form"));
const key = /** @type {HTMLInputElement} */ (section.querySelector("#console-key"));
const method = /** @type {HTMLSelectElement} */ (section.querySelector("#console-method"));
const params = /** @type {HTMLTextAreaElement} */ (section.querySelector("#console-params"));
const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
const outcome = /** @type {HTMLElement} */ (section.querySelector(".outcome"));
const answer = /** @type {HTMLElement} */ (section.querySelector(".answer"));

/** The chosen method's example, as parameters to begin with. */
function showExample() {
  params.value = method.selectedOptions[0]?.dataset.example ?? "{}";
  params.setCustomValidity("");
}

/** The parameters, or undefined where they are no JSON: then the field says why. */
function readParams() {
  try {
    const value = JSON.parse(params.value || "{}");
    params.setCustomValidity("");
    return value;
  } catch (error) {
    params.setCustomValidity(String(error));
    params.reportValidity();
    return undefined;
  }
}

/**
 * @param {string} line
 * @param {string} text
 */
function show(line, text) {
  outcome.textContent = line;
  /** @type {HTMLElement} */ (answer.firstElementChild).textContent = text;
  answer.hidden = !text;
}

/** @param {string} text */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function call() {
  const given = readParams();
  if (given === undefined) return;
  button.disabled = true;
  const begun = performance.now();
  try {
    const response = await fetch(/** @type {string} */ (form.dataset.address), {
      method: "POST",
      // The key alone decides: the staff session stays out of it.
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      referrerPolicy: "no-referrer",
      headers: { Authorization: `Bearer ${key.value.trim()}`, "Content-Type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: method.value, params: given }),
    });
    const text = await response.text();
    show(`HTTP ${response.status} · ${Math.round(performance.now() - begun)} ms`, pretty(text));
  } catch {
    // Away, cut off, or a key that no header can carry.
    show(outcome.dataset.away ?? "", "");
  } finally {
    button.disabled = false;
  }
}

method.addEventListener("change", showExample);
params.addEventListener("input", () => params.setCustomValidity(""));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  call();
});
// A page that is kept for going back must not keep the key.
window.addEventListener("pagehide", () => {
  form.reset();
  show("", "");
});
window.addEventListener("pageshow", showExample);
showExample();
