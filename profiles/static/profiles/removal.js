// Asks in a dialog whether to remove one's picture; without this, the link leads to a page that asks.
const dialog = document.getElementById("removal");

document.getElementById("remove").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab or window
  event.preventDefault();
  dialog.showModal();
});
