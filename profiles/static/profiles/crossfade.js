// Chromium (156) decides whether to fade to this page before it has computed the page's styles, and
// reports an error. This script blocks the first display, and has them computed.
document.documentElement.getClientRects();

// To a page that does not fade, Chromium reports an error as well.
const { people } = document.querySelector("script[data-people]").dataset;
addEventListener("pageswap", ({ activation, viewTransition }) => {
  if (!viewTransition) return; // Of another site's page, `activation` is null as well.
  if (!new URL(activation.entry.url).pathname.startsWith(people)) viewTransition.skipTransition();
});
