/** What a list says about the connection when it is not there, and what can be done. */

import { button, h } from "./dom.js";

/** @param {import("./context.js").Context} context @returns {HTMLElement|null} */
export function notice({ client, messages: m }) {
  const { state, reason } = client;
  if (state === "offline") return h("p", {}, m.gettext("You are offline. What you mark as read is kept and sent later."));
  if (state === "reconnecting") return h("p", {}, m.gettext("Connecting again…"));
  if (state !== "closed") return null;
  if (reason === "signed_out") {
    return h("p", {}, m.gettext("You are signed out."), " ",
      button(m.gettext("Sign in again"), "quiet", () => location.reload()));
  }
  const text = reason === "too_many_connections"
    ? m.gettext("Notifications are live in your newer tabs.")
    : m.gettext("The connection was closed.");
  return h("p", {}, text, " ", button(m.gettext("Connect here"), "quiet", () => client.retryNow()));
}
