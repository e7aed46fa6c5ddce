// Asks in a dialog before a picture is removed. Without this, the link leads to a page that asks.
const dialog = document.getElementById("removal");

document.getElementById("remove").addEventListener("click", (click) => {
  if (click.ctrlKey || click.metaKey || click.shiftKey) return; // a new tab or window
  click.preventDefault();
  dialog.showModal();
});
