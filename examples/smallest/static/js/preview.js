// Shows the chosen picture before it is sent.
const input = document.querySelector("input[type=file]");
const preview = new Image();
preview.alt = "The chosen picture";

input.addEventListener("change", () => {
  preview.remove();
  if (input.files.length) {
    preview.src = URL.createObjectURL(input.files[0]);
    input.before(preview);
  }
});
