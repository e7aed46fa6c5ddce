// The lesson: removes one kind of file from the page, and shows the headers of one of each.
const box = document.querySelector(".take-away");
const notice = box.querySelector("[role=status]");
const { staticUrl } = box.dataset;
const isStatic = (image) => image.dataset.src.startsWith(staticUrl);

/** Remove the pictures that a test selects, or restore them: one without a source is empty. */
function togglePictures(isAway, isSelected) {
  for (const image of document.querySelectorAll("main img")) {
    image.dataset.src ??= image.getAttribute("src");
    image.dataset.srcset ??= image.getAttribute("srcset") ?? "";
    if (!isSelected(image)) continue;
    for (const attribute of ["src", "srcset"]) {
      if (isAway) image.removeAttribute(attribute);
      else if (image.dataset[attribute]) image.setAttribute(attribute, image.dataset[attribute]);
    }
  }
  dispatchEvent(new Event("resize")); // The X-ray looks at the page again.
}

const toggle = {
  static(isAway) {
    for (const sheet of document.querySelectorAll("link[rel=stylesheet]")) sheet.disabled = isAway;
    togglePictures(isAway, isStatic);
  },
  media: (isAway) => togglePictures(isAway, (image) => !isStatic(image)),
};

for (const button of box.querySelectorAll("button")) {
  const { kind, back, gone } = button.dataset;
  const away = button.textContent;
  button.addEventListener("click", () => {
    const isAway = button.textContent === away;
    toggle[kind](isAway);
    button.textContent = isAway ? back : away;
    notice.textContent = isAway ? gone : notice.dataset.back;
    button.scrollIntoView({ block: "nearest" }); // Without its styles, the page is longer.
  });
}
box.hidden = false;

const HEADERS = ["Content-Type", "Content-Encoding", "Content-Length", "Cache-Control", "ETag"];

for (const place of document.querySelectorAll(".headers[data-url]")) {
  const command = place.textContent.trim();
  fetch(place.dataset.url, { method: "HEAD" })
    .then(({ ok, headers }) => {
      const lines = HEADERS.filter((header) => headers.has(header));
      const answer = lines.map((header) => `${header}: ${headers.get(header)}`);
      if (ok) place.textContent = [command, ...answer].join("\n");
    })
    .catch(() => {}); // The command for curl stays.
}
