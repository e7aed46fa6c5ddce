// The ways in which a photo comes to the page: chosen, taken, dropped or pasted.

import { byId, form, isTextField, page } from "./page.js";

const { avatar: fileInput } = form.elements;
const hasFile = (drag) => drag.dataTransfer.types.includes("Files");

export const openPicker = () => fileInput.click();

/** Call `choose` with each file, `refuse` where something else is dropped. */
export function listenForFiles(choose, refuse) {
  for (const input of [fileInput, byId("camera")]) {
    input.addEventListener("change", () => choose(takeFile(input)));
  }

  document.addEventListener("paste", (paste) => {
    const [blob] = paste.clipboardData.files;
    if (isTextField(paste.target) || !blob) return;
    paste.preventDefault();
    choose(blob);
  });

  // Anywhere on the page: the browser would open a photo that is dropped beside a smaller target.
  for (const type of ["dragover", "drop"]) {
    addEventListener(type, (drag) => {
      if (isTextField(drag.target) && !hasFile(drag)) return; // a text, for the field
      drag.preventDefault();
      page.classList.toggle("dropping", type === "dragover" && hasFile(drag));
      if (type === "dragover") return;
      if (drag.dataTransfer.files.length) choose(drag.dataTransfer.files[0]);
      else refuse();
    });
  }
  addEventListener("dragleave", (drag) => drag.relatedTarget || page.classList.remove("dropping"));

  choose(takeFile(fileInput)); // A file may have been chosen before this ran.
}

/** Take the file out of the form, which would send all of it. */
function takeFile(input) {
  const [blob] = input.files;
  input.value = ""; // An input with the same file in it would not fire when that is chosen again.
  return blob;
}
