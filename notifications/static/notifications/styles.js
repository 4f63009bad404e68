/**
 * The look, as one constructed sheet for all elements: a strict policy allows it, and nothing is fetched.
 * Everything that a page may change is a custom property (`--notifications-…`) or a part; docs/client.md lists them.
 */

const CSS = `
:host {
  color-scheme: light dark;
  --a: var(--notifications-accent, light-dark(#2f5bd7, #8fb0ff));
  --on: var(--notifications-on-accent, light-dark(#fff, #0d1a3a));
  --bg: var(--notifications-background, light-dark(#fff, #1b2029));
  --hi: var(--notifications-highlight, light-dark(#f0f4ff, #222b3d));
  --fg: var(--notifications-text, light-dark(#1c2330, #e6e9ef));
  --soft: var(--notifications-soft, light-dark(#5a6577, #9aa5b8));
  --line: var(--notifications-line, light-dark(#dde1e8, #394355));
  --alarm: var(--notifications-badge, light-dark(#c4251c, #ff8f86));
  --on-alarm: var(--notifications-on-badge, light-dark(#fff, #2b0705));
  --r: var(--notifications-radius, 12px);
  font: var(--notifications-font, 15px/1.45 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif);
}
:host(notification-bell) { display: inline-block; }
:host(notification-inbox), :host(notification-banner) { display: block; }
:host(notification-popups) { display: contents; }
:host([hidden]), [hidden] { display: none !important; }
*, ::before, ::after { box-sizing: border-box; }
h2, p, ul { margin: 0; padding: 0; }
ul { list-style: none; }
button, select { font: inherit; color: inherit; }
button { cursor: pointer; border: 0; background: none; padding: 0; }
:focus-visible { outline: 2px solid var(--a); outline-offset: 2px; }
.sr { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.icon { width: 1.35em; height: 1.35em; flex: none; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
.popup.info .icon, .banner.info > .icon { color: var(--a); }
.popup.success .icon, .banner.success > .icon { color: light-dark(#17703a, #7fdca0); }
.warning .icon { color: light-dark(#8a5a00, #f3cc7a); }
.error .icon { color: light-dark(#b3261e, #ff9d95); }
.x .icon, .banner .x .icon { color: inherit !important; width: 1.1em; height: 1.1em; }

.bell { position: relative; display: grid; place-items: center; width: 44px; height: 44px; border-radius: 50%; color: var(--notifications-bell, inherit); }
.bell:hover { background: color-mix(in srgb, currentColor 10%, transparent); }
:host([state="offline"]) .bell > .icon, :host([state="closed"]) .bell > .icon { opacity: .55; stroke-dasharray: 3 2.6; }
.badge { position: absolute; inset-block-start: 3px; inset-inline-start: 23px; min-width: 18px; height: 18px; padding: 0 5px; border-radius: 9px; background: var(--alarm); color: var(--on-alarm); font: 650 11px/18px system-ui, sans-serif; text-align: center; font-variant-numeric: tabular-nums; }

.panel, .card { background: var(--bg); color: var(--fg); border: 1px solid var(--line); border-radius: var(--r); box-shadow: 0 8px 30px rgb(0 0 0 / .18); }
.panel { position: fixed; inset: auto; margin: 0; padding: 0; overflow: hidden; flex-direction: column; }
.panel:popover-open { display: flex; }
.panel:focus { outline: none; }
.panel .list { display: flex; flex-direction: column; min-height: 0; }
.panel .scroll { overflow-y: auto; overscroll-behavior: contain; }
.scroll { position: relative; }
.scroll:focus { outline-offset: -2px; }
.inbox .scroll:focus { outline: none; }
.foot { display: block; padding: 12px 16px; border-block-start: 1px solid var(--line); text-align: center; color: var(--a); text-decoration: none; font-weight: 550; }
.foot:hover { text-decoration: underline; }
.bar { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 8px 16px; min-height: 44px; padding: 8px 16px; border-block-end: 1px solid var(--line); }
.bar h2 { font-size: 1.07em; font-weight: 650; }
.notice:not(:empty) { padding: 10px 16px; background: light-dark(#fdf0d3, #352a10); color: light-dark(#6b4700, #f3cc7a); }
.state > p { padding: 36px 16px; text-align: center; color: var(--soft); }
.edge { height: 1px; margin-block-end: -1px; }

.quiet { display: inline-block; min-height: 32px; padding: 4px 8px; margin-inline: -8px; border-radius: 8px; color: var(--a) !important; font-weight: 550; text-align: start; text-decoration: none; line-height: 24px; }
.quiet:disabled { color: var(--soft) !important; cursor: default; }
.quiet:hover { background: color-mix(in srgb, var(--a) 12%, transparent); }
.notice .quiet { color: inherit !important; text-decoration: underline; }
.primary { min-height: 34px; padding: 4px 14px; border-radius: 8px; background: var(--a); color: var(--on); font-weight: 600; }
.primary:hover { filter: brightness(1.08); }
.actions { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 20px; }

.row { display: flex; gap: 10px; padding: 12px 16px; border-block-end: 1px solid var(--line); }
.row.unread { background: var(--hi); }
.dot { flex: none; width: 9px; height: 9px; margin-block-start: .45em; border-radius: 50%; }
.unread > .dot { background: var(--a); }
.text { flex: 1; min-width: 0; display: grid; gap: 4px; }
.head { display: flex; align-items: baseline; gap: 4px 8px; }
.head .icon { align-self: flex-start; margin-block-start: .1em; width: 1.2em; height: 1.2em; }
.title { flex: 1; min-width: 0; font-weight: 500; text-align: start; overflow-wrap: anywhere; text-decoration: none; color: inherit; }
.unread .title, .popup .title { font-weight: 650; }
.row .title:hover { text-decoration: underline; }
time { flex: none; color: var(--soft); font-size: .87em; white-space: nowrap; }
.body { color: var(--soft); overflow-wrap: anywhere; white-space: pre-line; }
.row .body { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
.row.open .body { display: block; }
.older { display: block; margin: 8px auto; }
.pill { position: sticky; z-index: 1; inset-block-start: 8px; display: block; height: 36px; margin: 0 auto -36px; padding: 0 16px; border-radius: 18px; background: var(--a); color: var(--on); font-weight: 600; box-shadow: 0 2px 10px rgb(0 0 0 / .25); }
.skeleton i { display: block; height: 44px; margin: 14px 16px; border-radius: 8px; background: linear-gradient(100deg, var(--line) 40%, var(--hi) 50%, var(--line) 60%) 0 / 300% 100%; opacity: .7; animation: wait 1.6s linear infinite; }

.inbox { background: var(--bg); color: var(--fg); border: 1px solid var(--line); border-radius: var(--r); }
.inbox .row:last-child { border-block-end: 0; }
.tools, .filters { display: flex; flex-wrap: wrap; gap: 8px; }
.filters { border: 1px solid var(--line); border-radius: 10px; padding: 3px; gap: 2px; }
.filters button { min-height: 34px; padding: 2px 14px; border-radius: 7px; }
.filters button[aria-pressed="true"] { background: var(--a); color: var(--on); font-weight: 600; }
select { min-height: 42px; max-width: 100%; padding: 0 10px; border: 1px solid var(--line); border-radius: 10px; background: var(--bg); }

.popups { position: fixed; inset: auto; inset-inline-end: var(--notifications-inset, 16px); inset-block-end: var(--notifications-inset, 16px); width: min(380px, 100vw - 32px); max-height: calc(100dvh - 32px); margin: 0; padding: 0; border: 0; background: none; overflow: visible; flex-direction: column; gap: 10px; }
.popups:popover-open { display: flex; }
.stack { display: flex; flex-direction: column-reverse; gap: 10px; }
:host([corner^="top"]) .popups { inset-block: var(--notifications-inset, 16px) auto; flex-direction: column-reverse; }
:host([corner^="top"]) .stack { flex-direction: column; }
:host([corner$="start"]) .popups { inset-inline: var(--notifications-inset, 16px) auto; }
.popup { animation: come .22s ease-out; }
.card { display: flex; gap: 12px; padding: 14px; padding-inline-end: 8px; }
.popup .title { flex: none; }
.popup .text { gap: 6px; }
.popup .body { max-height: 9em; overflow-y: auto; }
.popup .actions { margin-block-start: 4px; }
.x { flex: none; display: grid; place-items: center; width: 32px; height: 32px; margin-block-start: -6px; border-radius: 8px; color: var(--soft); }
.x:hover { background: color-mix(in srgb, currentColor 14%, transparent); }
.more { align-self: center; min-width: 44px; min-height: 32px; padding: 2px 14px; border-radius: 16px; background: var(--bg); color: var(--fg); border: 1px solid var(--line); font-weight: 600; box-shadow: 0 4px 14px rgb(0 0 0 / .15); }
.banner { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 12px; padding: 10px 16px; background: var(--hi); color: var(--fg); border-block-end: 1px solid var(--line); border-inline-start: 4px solid var(--a); }
.banner.warning { border-inline-start-color: light-dark(#b67a00, #f3cc7a); }
.banner.error { border-inline-start-color: light-dark(#b3261e, #ff9d95); }
.banner .text { gap: 2px; flex-basis: 14em; }
.banner .title { font-weight: 650; }
.banner .x { margin: 0; }
.count { color: var(--soft); }

.ends { display: flex; align-items: center; gap: 16px; margin-inline-start: auto; }
.ends .x { margin: 0; margin-inline-end: -6px; }
.settings { padding: 12px 16px; overflow-y: auto; }
.settings p { min-height: 1.4em; color: var(--soft); }
.tick { display: flex; align-items: center; gap: 10px; min-height: 40px; overflow-wrap: anywhere; }
.tick input { flex: none; width: 18px; height: 18px; margin: 0; accent-color: var(--a); }
.settings .times { padding-inline-start: 28px; display: flex; flex-wrap: wrap; align-items: center; gap: 8px; }
input[type="time"] { font: inherit; color: var(--fg); min-height: 34px; padding: 0 8px; border: 1px solid var(--soft); border-radius: 8px; background: var(--bg); }
fieldset { margin: 8px 0; padding: 8px 0 0; border: 0; border-block-start: 1px solid var(--line); min-width: 0; }
legend { float: inline-start; width: 100%; padding: 0; font-weight: 600; }
fieldset .tick { clear: both; }

@keyframes come { from { opacity: 0; transform: translateY(12px); } }
@keyframes wait { from { background-position-x: 150%; } to { background-position-x: 0; } }
@media (prefers-reduced-motion: reduce) { *, ::before, ::after { animation: none !important; } }
@media (forced-colors: active) {
  .badge, .primary, .pill, .more, .filters button[aria-pressed="true"] { border: 1px solid; }
  .unread > .dot { background: Highlight; }
  .dot, .badge { forced-color-adjust: none; }
  .badge { background: Mark; color: MarkText; }
  .filters button[aria-pressed="true"] { background: Highlight; color: HighlightText; forced-color-adjust: none; }
}
`;

/** @type {CSSStyleSheet|null} */
let made = null;

/** The sheet, made once for all elements of the page. */
export function sheet() {
  if (!made) {
    made = new CSSStyleSheet();
    made.replaceSync(CSS);
  }
  return made;
}
