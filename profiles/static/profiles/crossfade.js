// Fades only to a page that fades, too. To any other, Chromium (156) reports an error there.
const { people } = document.querySelector("script[data-people]").dataset;

addEventListener("pageswap", ({ activation, viewTransition }) => {
  if (!viewTransition) return; // Of another site's page, `activation` is null as well.
  if (!new URL(activation.entry.url).pathname.startsWith(people)) viewTransition.skipTransition();
});
