// The lesson: takes one kind of file away from the page, and shows the headers of one of each.
const box = document.querySelector(".take-away");
const status = box.querySelector("[role=status]");
const { staticUrl } = document.querySelector("#xray").dataset;
const isStatic = (image) => image.dataset.src.startsWith(staticUrl);

/** Take away, or put back, the pictures that a test picks: one without a source is empty. */
function takePictures(isAway, picks) {
  for (const image of document.querySelectorAll("main img")) {
    image.dataset.src ??= image.getAttribute("src");
    image.dataset.srcset ??= image.getAttribute("srcset") ?? "";
    if (!picks(image)) continue;
    for (const name of ["src", "srcset"]) {
      if (isAway) image.removeAttribute(name);
      else if (image.dataset[name]) image.setAttribute(name, image.dataset[name]);
    }
  }
  dispatchEvent(new Event("resize")); // So that the X-ray looks again.
}

const take = {
  static(isAway) {
    for (const sheet of document.querySelectorAll("link[rel=stylesheet]")) sheet.disabled = isAway;
    takePictures(isAway, isStatic);
  },
  media: (isAway) => takePictures(isAway, (image) => !isStatic(image)),
};

for (const button of box.querySelectorAll("button")) {
  const { kind, back, gone } = button.dataset;
  const away = button.textContent;
  button.addEventListener("click", () => {
    const isAway = button.textContent === away;
    take[kind](isAway);
    button.textContent = isAway ? back : away;
    status.textContent = isAway ? gone : status.dataset.back;
    button.scrollIntoView({ block: "nearest" }); // Without its styles the page is another length.
  });
}
box.hidden = false;

const NAMES = ["Content-Type", "Content-Encoding", "Content-Length", "Cache-Control", "ETag"];

for (const place of document.querySelectorAll(".headers[data-url]")) {
  const command = place.textContent.trim();
  fetch(place.dataset.url, { method: "HEAD" })
    .then(({ ok, headers }) => {
      const lines = NAMES.filter((name) => headers.has(name));
      const answer = lines.map((name) => `${name}: ${headers.get(name)}`);
      if (ok) place.textContent = [command, ...answer].join("\n");
    })
    .catch(() => {}); // The line for curl stays.
}
